//! `oi-abuse`: requests that cannot be, over gRPC and as messages. Each must be refused with
//! its code, change nothing, and be recorded; and each limit: as much as may be, and more. Started
//! by `tests/e2e/abuse`; who may ask for what by `tests/e2e/security`.

mod access;
mod clusters;
mod doors;
mod grpc;
mod large;
mod limits;
mod messages;
mod settings;
mod table;

use oi_events::Command;
use oi_proto::v1::{self, oi_client::OiClient, submit_request::Command as Asked};
use std::process::ExitCode;
use tonic::transport::Channel;
use uuid::Uuid;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Api = OiClient<Channel>;

/// A cluster that there is, and one that there is not.
const THERE: &str = "there";
const NOWHERE: &str = "nowhere";
const HYPERVISOR: &str = "hv-1";

/// What was sent, the code that it must be refused with, and the one that it was.
pub struct Row {
    what: String,
    want: &'static str,
    got: String,
    /// Whether a refusal of it is recorded: commands are, queries are not.
    recorded: bool,
}

/// A request of our own.
pub fn submit(command: Asked) -> v1::SubmitRequest {
    v1::SubmitRequest {
        command_id: Uuid::now_v7().to_string(),
        actor: "abuse".to_owned(),
        issued_at_ms: 0,
        expected_position: 0,
        command: Some(command),
    }
}

/// A cluster that could be.
pub fn cluster(name: &str) -> v1::CreateCluster {
    let spec = v1::ClusterSpec {
        kubernetes_version: "v1.36.3".to_owned(),
        pod_cidr: "10.244.0.0/16".to_owned(),
        service_cidr: "10.96.0.0/12".to_owned(),
        dns_domain: "cluster.local".to_owned(),
        extra_sans: Vec::new(),
    };
    v1::CreateCluster { name: name.to_owned(), spec: Some(spec), ..v1::CreateCluster::default() }
}

/// The same with another spec.
pub fn changed(name: &str, change: impl FnOnce(&mut v1::ClusterSpec)) -> v1::CreateCluster {
    let mut cluster = cluster(name);
    change(cluster.spec.get_or_insert_default());
    cluster
}

/// A hypervisor that could be.
pub fn hypervisor() -> v1::RegisterHypervisor {
    v1::RegisterHypervisor {
        name: HYPERVISOR.to_owned(),
        cri_endpoint: "unix:///nowhere/cri.sock".to_owned(),
        tls: None,
        public: false,
        address: "192.0.2.1".to_owned(),
        port_low: 10_000,
        port_high: 10_100,
        data_dir: "/var/lib/oi".to_owned(),
        max_nodes: 0,
    }
}

async fn rejections(api: &mut Api) -> Result<u64, Error> {
    let newest = v1::ListRejectionsRequest { page_size: 1, page_token: String::new() };
    let listed = api.list_rejections(newest).await?.into_inner();
    Ok(listed.rejections.first().map_or(0, |r| r.number))
}

async fn run(server: String, broker: &str, rounds: usize) -> Result<bool, Error> {
    let mut api = OiClient::connect(server).await?;
    let client = async_nats::connect(broker).await?;
    // The same ids each time: decided once.
    let first = |n, command| v1::SubmitRequest {
        command_id: Uuid::from_u128(n).to_string(),
        issued_at_ms: 1,
        ..submit(command)
    };
    let decided = first(1, Asked::RegisterHypervisor(hypervisor()));
    for request in [decided.clone(), first(2, Asked::CreateCluster(cluster(THERE)))] {
        api.submit(request).await?;
    }
    let before = api.get_status(v1::GetStatusRequest {}).await?.into_inner();
    let mut well = true;
    let mut count = 0;
    for round in 0..rounds {
        let first = rejections(&mut api).await?;
        let mut rows = grpc::rows(&mut api, before.position, &decided).await?;
        rows.extend(messages::rows(&client, &decided).await?);
        let recorded = rows.iter().filter(|row| row.recorded).count() as u64;
        for row in &rows {
            let fits = row.got == row.want;
            well &= fits;
            if round == 0 || !fits {
                let mark = if fits { "ok" } else { "NOT OK" };
                println!("{mark:<6} {:<22} {}", row.got, row.what);
            }
            if !fits {
                println!("       must be {}", row.want);
            }
        }
        let found = rejections(&mut api).await? - first;
        if found != recorded {
            println!("NOT OK {recorded} refusals must be recorded, {found} are");
            well = false;
        }
        count += rows.len();
    }
    let after = api.get_status(v1::GetStatusRequest {}).await?.into_inner();
    if (after.position, &after.state_hash) != (before.position, &before.state_hash) {
        println!("NOT OK the log has moved from {} to {}", before.position, after.position);
        well = false;
    }
    println!(
        "{count} bad requests in {rounds} round(s); the log is where it was: {}",
        after.position
    );
    Ok(well)
}

/// A command as postcard, with the words that its headers have.
pub fn postcard(command: &Command) -> Result<(String, Vec<u8>), Error> {
    let kind = command.kind();
    Ok((format!("{} {} {}", kind.kind, kind.version, kind.name), command.encode()?))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["access", server, broker, pki] => access::run(server, broker, pki.as_ref()).await,
        ["limits", server, broker] => limits::run(server, broker).await,
        [server, broker, rounds] => {
            run((*server).to_owned(), broker, rounds.parse().unwrap_or(1)).await
        }
        _ => {
            eprintln!(
                "usage: oi-abuse SERVER BROKER ROUNDS\n       oi-abuse limits SERVER BROKER\n       oi-abuse access SERVER BROKER PKI"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
