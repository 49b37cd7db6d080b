//! Bad requests over gRPC.

use crate::clusters::clusters;
use crate::settings::settings;
use crate::{Api, Error, HYPERVISOR, NOWHERE, Row, THERE, changed, cluster, hypervisor, submit};
use oi_proto::v1::{self, submit_request::Command as Asked};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The stable word of a rejection, which the trailer and the details must agree on; or the
/// gRPC code where the transport refused.
pub fn word(refused: Result<(), Status>) -> String {
    let Err(status) = refused else { return "accepted".to_owned() };
    let trailer = status.metadata().get("oi-code").and_then(|v| v.to_str().ok());
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.as_str());
    match (trailer, reason) {
        (Some(a), Some(b)) if a == b => a.to_owned(),
        // Whichever the release of the transport has.
        (None, None) if status.code() == Code::ResourceExhausted => "OutOfRange".to_owned(),
        (None, None) => format!("{:?}", status.code()),
        other => format!("{other:?}"),
    }
}

/// Bad commands, with the code of each. They come as messages, too.
pub fn commands() -> Vec<(&'static str, String, Asked)> {
    let mut all = Vec::new();
    let mut add = |want, what: String, command| all.push((want, what, command));
    let long = "a".repeat(64);
    for name in
        ["", "A", "-a", "a-", "a.b", "a b", "ü", "a/b", "../x", "a\0", "a\n", "*", ">", &long]
    {
        add("malformed", format!("a cluster named {name:?}"), Asked::CreateCluster(cluster(name)));
        let command = v1::DeleteCluster { name: name.to_owned(), forget_orphans: false };
        add("malformed", format!("delete cluster {name:?}"), Asked::DeleteCluster(command));
    }
    for version in
        ["", "1.36.3", "v1", "v1.36", "vx.y.z", "v-1.2.3", "v1.36.3 ", "v99999999999.1.1"]
    {
        let command = changed("new", |s| s.kubernetes_version = version.to_owned());
        add("malformed", format!("Kubernetes {version:?}"), Asked::CreateCluster(command));
    }
    for version in ["v1.20.0", "v1.99.0", "v2.0.0"] {
        let command = changed("new", |s| s.kubernetes_version = version.to_owned());
        add("version-unsupported", format!("Kubernetes {version}"), Asked::CreateCluster(command));
    }
    for cidr in ["", "banana", "10.244.0.7/16", "10.0.0.0/33", "300.0.0.0/8", "10.0.0.0", "/8"] {
        let pods = changed("new", |s| s.pod_cidr = cidr.to_owned());
        add("invalid", format!("pods in {cidr:?}"), Asked::CreateCluster(pods));
        let services = changed("new", |s| s.service_cidr = cidr.to_owned());
        add("invalid", format!("Services in {cidr:?}"), Asked::CreateCluster(services));
    }
    let same = changed("new", |s| s.service_cidr = "10.244.128.0/17".to_owned());
    add("overlap", "ranges that overlap".to_owned(), Asked::CreateCluster(same));
    let much = "a.".repeat(150);
    for domain in ["", "a b", "-x", "a..b", &much] {
        let command = changed("new", |s| s.dns_domain = domain.to_owned());
        add("invalid", format!("the domain {:.20?}", domain), Asked::CreateCluster(command));
    }
    for san in ["", "bad san", "a\nb"] {
        let command = changed("new", |s| s.extra_sans = vec![san.to_owned()]);
        add("invalid", format!("the name {san:?} in certificates"), Asked::CreateCluster(command));
    }
    // Large, and each part of it as it may be.
    let names = (0..8_000).map(|n| format!("api-{n}.example.org")).collect();
    let command = changed("new", |s| s.extra_sans = names);
    add("invalid", "8000 names in certificates".to_owned(), Asked::CreateCluster(command));
    add("cluster-exists", "a cluster that there is".to_owned(), {
        Asked::CreateCluster(changed(THERE, |s| s.dns_domain = "other.local".to_owned()))
    });
    all.extend(hypervisors());
    all.extend(clusters());
    all.extend(settings());
    all
}

fn hypervisors() -> Vec<(&'static str, String, Asked)> {
    let mut all = Vec::new();
    let mut add =
        |want, what: &str, h| all.push((want, what.to_owned(), Asked::RegisterHypervisor(h)));
    let new = || v1::RegisterHypervisor {
        name: "hv-2".to_owned(),
        address: "192.0.2.2".to_owned(),
        ..hypervisor()
    };
    for name in ["", "Hv", "a b", "x/y"] {
        add(
            "malformed",
            &format!("a hypervisor named {name:?}"),
            v1::RegisterHypervisor { name: name.to_owned(), ..new() },
        );
    }
    for endpoint in ["", "http://x", "unix://relative", "tcp://host", "banana"] {
        let h = v1::RegisterHypervisor { cri_endpoint: endpoint.to_owned(), ..new() };
        add("hypervisor-invalid", &format!("the endpoint {endpoint:?}"), h);
    }
    for address in ["", "host", "999.1.1.1", "192.0.2.1/24"] {
        let h = v1::RegisterHypervisor { address: address.to_owned(), ..new() };
        add("malformed", &format!("the address {address:?}"), h);
    }
    for address in ["127.0.0.1", "0.0.0.0", "169.254.0.1", "fe80::1", "::1"] {
        let h = v1::RegisterHypervisor { address: address.to_owned(), ..new() };
        add("hypervisor-invalid", &format!("the address {address}"), h);
    }
    let h = v1::RegisterHypervisor {
        address: "10.244.7.7".to_owned(),
        cri_endpoint: "unix:///another".to_owned(),
        ..new()
    };
    add("overlap", "an address in the pod CIDR of a cluster", h);
    add("malformed", "a port of 70000", v1::RegisterHypervisor { port_high: 70_000, ..new() });
    add(
        "malformed",
        "a port of 4294967295",
        v1::RegisterHypervisor { port_low: u32::MAX, ..new() },
    );
    add(
        "hypervisor-invalid",
        "ports the wrong way round",
        v1::RegisterHypervisor { port_low: 200, port_high: 100, ..new() },
    );
    add("hypervisor-invalid", "port 0", v1::RegisterHypervisor { port_low: 0, ..new() });
    for dir in ["", "relative", "/a/../b"] {
        let h = v1::RegisterHypervisor { data_dir: dir.to_owned(), ..new() };
        add("hypervisor-invalid", &format!("the directory {dir:?}"), h);
    }
    add(
        "hypervisor-exists",
        "a hypervisor that is other",
        v1::RegisterHypervisor { port_high: 20_000, ..hypervisor() },
    );
    let cordon = |name: &str| {
        Asked::CordonHypervisor(v1::CordonHypervisor { name: name.to_owned(), cordoned: true })
    };
    all.push(("malformed", "cordon nothing".to_owned(), cordon("")));
    all.push(("hypervisor-unknown", "cordon an unknown one".to_owned(), cordon(NOWHERE)));
    let update = |spec| Asked::UpdateHypervisor(v1::UpdateHypervisor { spec });
    all.push(("malformed", "update nothing".to_owned(), update(None)));
    all.push(("hypervisor-unknown", "update an unknown one".to_owned(), update(Some(new()))));
    let wrong = v1::RegisterHypervisor { data_dir: "relative".to_owned(), ..hypervisor() };
    all.push(("hypervisor-invalid", "update to what cannot be".to_owned(), update(Some(wrong))));
    for (want, cluster, count) in
        [("malformed", "A b", 1), ("cluster-unknown", NOWHERE, 1), ("invalid", THERE, 8_000)]
    {
        let extra_sans = (0..count).map(|n| format!("api-{n}.example.org")).collect();
        let command = v1::SetExtraSans { cluster: cluster.to_owned(), extra_sans };
        let what = format!("{count} further names of {cluster:?}");
        all.push((want, what, Asked::SetExtraSans(command)));
    }
    let name = NOWHERE.to_owned();
    all.push((
        "hypervisor-unknown",
        "forget an unknown one".to_owned(),
        Asked::UnregisterHypervisor(v1::UnregisterHypervisor { name: name.clone() }),
    ));
    all.push((
        "hypervisor-unknown",
        "forget the orphans of an unknown one".to_owned(),
        Asked::ForgetOrphans(v1::ForgetOrphans { name }),
    ));
    all
}

/// What is wrong with the request rather than with its command.
fn requests(position: u64) -> Vec<(&'static str, String, v1::SubmitRequest)> {
    let good = || submit(Asked::CreateCluster(cluster("new")));
    let actor = |actor: &str| v1::SubmitRequest { actor: actor.to_owned(), ..good() };
    let id = |id: &str| v1::SubmitRequest { command_id: id.to_owned(), ..good() };
    let at = |expected_position| v1::SubmitRequest { expected_position, ..good() };
    let rows = [
        (
            "malformed",
            "an id that says no time, and no time",
            id(&uuid::Uuid::from_u128(3).to_string()),
        ),
        ("malformed", "nobody asks", actor("")),
        ("malformed", "an endless actor", actor(&"a".repeat(100_000))),
        ("malformed", "an actor of two lines", actor("a\nOi-Actor: b")),
        ("malformed", "an actor that is oi itself", actor("system:worker:x")),
        ("malformed", "no id", id("")),
        ("malformed", "an id that is none", id("x")),
        ("malformed", "an endless id", id(&"0".repeat(10_000))),
        ("malformed", "no command", v1::SubmitRequest { command: None, ..good() }),
        ("position-moved", "a stale position", at(1)),
        ("position-moved", "a position to come", at(position + 1000)),
        ("position-moved", "the largest position", at(u64::MAX)),
    ];
    rows.into_iter().map(|(want, what, request)| (want, what.to_owned(), request)).collect()
}

pub async fn rows(
    api: &mut Api,
    position: u64,
    decided: &v1::SubmitRequest,
) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let commands = commands().into_iter().map(|(want, what, c)| (want, what, submit(c)));
    for (want, what, request) in commands.chain(requests(position)) {
        let got = word(api.submit(request).await.map(drop));
        rows.push(Row { what, want, got, recorded: true });
    }
    let cordon = v1::CordonHypervisor { name: HYPERVISOR.to_owned(), cordoned: true };
    let reused = v1::SubmitRequest {
        command_id: decided.command_id.clone(),
        issued_at_ms: decided.issued_at_ms,
        ..submit(Asked::CordonHypervisor(cordon))
    };
    let got = word(api.submit(reused).await.map(drop));
    let what = "the id of a command that was decided, for another".to_owned();
    rows.push(Row { what, want: "command-id-reused", got, recorded: true });
    let mut query = |want, what: &str, got: Result<(), Status>| {
        rows.push(Row { what: what.to_owned(), want, got: word(got), recorded: false });
    };
    let huge = submit(Asked::RetryJob(v1::RetryJob { job: "x".repeat(300 * 1024) }));
    query("OutOfRange", "a message of 300 KiB", api.submit(huge).await.map(drop));
    let nodes =
        v1::ListNodesRequest { cluster: "A b".to_owned(), ..v1::ListNodesRequest::default() };
    query(
        "malformed",
        "list nodes of a name that cannot be",
        api.list_nodes(nodes).await.map(drop),
    );
    let backups = v1::ListBackupsRequest { cluster: NOWHERE.to_owned() };
    query(
        "not-found",
        "list backups of an unknown cluster",
        api.list_backups(backups).await.map(drop),
    );
    let operation =
        |id: &str| v1::GetOperationRequest { command_id: id.to_owned(), wait_ms: u64::MAX };
    query(
        "malformed",
        "an operation without an id",
        api.get_operation(operation("")).await.map(drop),
    );
    let unknown = uuid::Uuid::now_v7().to_string();
    query(
        "not-found",
        "an unknown operation",
        api.get_operation(operation(&unknown)).await.map(drop),
    );
    let page = v1::ListRejectionsRequest { page_size: 1, page_token: "x".to_owned() };
    query("malformed", "a page that there is not", api.list_rejections(page).await.map(drop));
    for (what, request) in [
        (
            "watch events that there are not",
            v1::WatchRequest { events: vec!["Banana".to_owned()], ..v1::WatchRequest::default() },
        ),
        (
            "watch after no token",
            v1::WatchRequest { resume_after: "x".to_owned(), ..v1::WatchRequest::default() },
        ),
        (
            "watch a cluster that cannot be",
            v1::WatchRequest { cluster: "A".to_owned(), ..v1::WatchRequest::default() },
        ),
    ] {
        query("malformed", what, api.watch(request).await.map(drop));
    }
    for (want, cluster) in [("malformed", "A"), ("not-found", NOWHERE), ("no-ingress", THERE)] {
        let request = v1::CreateKubeconfigRequest {
            cluster: cluster.to_owned(),
            actor: "abuse".to_owned(),
            ..v1::CreateKubeconfigRequest::default()
        };
        let got = word(api.create_kubeconfig(request).await.map(drop));
        rows.push(Row { what: format!("a kubeconfig for {cluster}"), want, got, recorded: true });
    }
    Ok(rows)
}
