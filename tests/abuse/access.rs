//! Who may ask for what: one table, over gRPC with client certificates and as messages of
//! producers. Started by `tests/e2e/security`.

use crate::{Error, cluster, hypervisor, messages, submit};
use oi_proto::v1::{self, oi_client::OiClient, submit_request::Command as Asked};
use prost::Message;
use std::path::Path;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// Somebody with a role, and a tenant if any; `certificate` is the name of their files.
#[derive(Clone, Copy)]
struct Who {
    certificate: &'static str,
    /// Below `oi.submit`.
    subject: &'static str,
}

const VIEWER: Who = Who { certificate: "eve", subject: "viewer.eve" };
const OPERATOR: Who = Who { certificate: "bob", subject: "operator.bob" };
const TENANT: Who = Who { certificate: "acme-bot", subject: "operator.acme.acme-bot" };
const TENANT_ADMIN: Who = Who { certificate: "acme-admin", subject: "admin.acme.acme-admin" };
const ADMIN: Who = Who { certificate: "alice", subject: "admin.alice" };

struct Case {
    who: Who,
    asked: Asked,
    may: bool,
}

fn delete(name: &str) -> Asked {
    Asked::DeleteCluster(v1::DeleteCluster { name: name.to_owned(), forget_orphans: false })
}

fn retry(job: &str) -> Asked {
    Asked::RetryJob(v1::RetryJob { job: job.to_owned() })
}

fn clone(name: &str, source: &str) -> Asked {
    let backup = uuid::Uuid::nil().to_string();
    Asked::CloneCluster(v1::CloneCluster {
        name: name.to_owned(),
        source: source.to_owned(),
        backup,
    })
}

fn cordon() -> Asked {
    Asked::CordonHypervisor(v1::CordonHypervisor { name: "hv-1".to_owned(), cordoned: false })
}

fn share() -> Asked {
    Asked::SharePorts(v1::SharePorts { name: "hv-1".to_owned(), ports: Vec::new() })
}

fn raise() -> Asked {
    Asked::RaiseFeatureLevel(v1::RaiseFeatureLevel { level: 1 })
}

fn create(name: &str) -> Asked {
    Asked::CreateCluster(cluster(name))
}

fn own(cluster: &str) -> Asked {
    Asked::SetTenant(v1::SetTenant { cluster: cluster.to_owned(), tenant: "acme".to_owned() })
}

/// A node on a hypervisor of the tenant's choice.
fn beside(cluster: &str) -> Asked {
    Asked::AddNode(v1::AddNode {
        cluster: cluster.to_owned(),
        name: "cp-9".to_owned(),
        role: v1::Role::ControlPlane.into(),
        hypervisor: "hv-1".to_owned(),
    })
}

fn table() -> Vec<Case> {
    let case = |who, asked, may| Case { who, asked, may };
    vec![
        case(VIEWER, create("mine"), false),
        case(VIEWER, delete("acme-blue"), false),
        case(VIEWER, cordon(), false),
        case(TENANT, create("acme-green"), true),
        case(TENANT, create("other"), false),
        case(TENANT, create("acme"), false),
        case(TENANT, delete("acme-none"), true),
        case(TENANT, delete("shop"), false),
        // Of a tenant whose name begins with this one's, and of nobody.
        case(TENANT, delete("acme-eu-red"), false),
        case(TENANT, delete("acme-old"), false),
        case(TENANT, own("acme-old"), false),
        case(OPERATOR, own("acme-none"), false),
        case(TENANT, beside("acme-blue"), false),
        case(TENANT, clone("acme-copy", "acme-blue"), true),
        case(TENANT, clone("acme-copy", "shop"), false),
        case(TENANT, clone("copy", "acme-blue"), false),
        case(TENANT, retry("node.acme-blue.cp-1.7.etcd"), true),
        case(TENANT, retry("node.shop.cp-1.7.etcd"), false),
        case(TENANT, retry("hypervisor.hv-1.1.probe"), false),
        case(TENANT, retry("nonsense"), false),
        case(TENANT, Asked::RegisterHypervisor(hypervisor()), false),
        case(TENANT, cordon(), false),
        case(TENANT, share(), false),
        case(TENANT, raise(), false),
        case(TENANT_ADMIN, delete("acme-none"), true),
        case(TENANT_ADMIN, own("acme-blue"), false),
        case(TENANT_ADMIN, beside("acme-blue"), false),
        case(TENANT_ADMIN, cordon(), false),
        case(OPERATOR, delete("none"), true),
        case(OPERATOR, retry("node.shop.cp-1.7.etcd"), true),
        case(OPERATOR, retry("hypervisor.hv-1.1.probe"), false),
        case(OPERATOR, cordon(), false),
        case(OPERATOR, share(), false),
        case(OPERATOR, raise(), false),
        case(ADMIN, retry("hypervisor.hv-1.1.probe"), true),
        case(ADMIN, cordon(), true),
        case(ADMIN, share(), true),
        case(ADMIN, raise(), true),
    ]
}

/// The code of a refusal over gRPC; `accepted` where there is none.
async fn over_grpc(server: &str, pki: &Path, case: &Case) -> Result<String, Error> {
    let read = |name: &str| std::fs::read_to_string(pki.join(name));
    let name = case.who.certificate;
    let identity = Identity::from_pem(read(&format!("{name}.crt"))?, read(&format!("{name}.key"))?);
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("ca.crt")?))
        .identity(identity);
    let channel = Endpoint::from_shared(server.to_owned())?.tls_config(tls)?.connect().await?;
    Ok(match OiClient::new(channel).submit(submit(case.asked.clone())).await {
        Ok(_) => "accepted".to_owned(),
        Err(status) => {
            let code = status.metadata().get("oi-code").and_then(|v| v.to_str().ok());
            code.map(str::to_owned).ok_or(status)?
        }
    })
}

/// Runs the table over both ways in; whether each case ends as it must.
pub async fn run(server: &str, broker: &str, pki: &Path) -> Result<bool, Error> {
    let client = async_nats::connect(broker).await?;
    let mut well = true;
    for case in table() {
        let subject = format!("oi.submit.{}", case.who.subject);
        let payload = submit(case.asked.clone()).encode_to_vec();
        let ways = [
            ("gRPC", over_grpc(server, pki, &case).await?),
            ("message", messages::publish(&client, subject, &[], payload).await?.code),
        ];
        for (way, code) in ways {
            let fits = (code != "forbidden") == case.may;
            well &= fits;
            let mark = if fits { "ok" } else { "NOT OK" };
            let may = if case.may { "may" } else { "may not" };
            println!("{mark:<6} {way:<8} {} {may}: {:?}: {code}", case.who.subject, case.asked);
        }
    }
    Ok(well)
}
