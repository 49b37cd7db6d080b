//! Endpoints, ports to share and issuers of users' tokens that must be refused.

use crate::large::{issuer, users};
use crate::{HYPERVISOR, NOWHERE, THERE};
use oi_proto::v1::{self, submit_request::Command as Asked};

fn endpoint(cluster: &str, host: &str, port: u32) -> Asked {
    let endpoint = v1::Endpoint { host: host.to_owned(), port, forwarded: true };
    Asked::SetEndpoint(v1::SetEndpoint { cluster: cluster.to_owned(), endpoint: Some(endpoint) })
}

fn share(name: &str, ports: Vec<u32>) -> Asked {
    Asked::SharePorts(v1::SharePorts { name: name.to_owned(), ports })
}

fn with(change: &dyn Fn(&mut v1::Issuer)) -> Asked {
    let mut wrong = issuer(0);
    change(&mut wrong);
    users(THERE, vec![wrong])
}

pub fn settings() -> Vec<(&'static str, String, Asked)> {
    let system = v1::ClaimMapping { claim: "sub".to_owned(), prefix: "system:".to_owned() };
    let rows = vec![
        ("cluster-unknown", "an endpoint of an unknown cluster", endpoint(NOWHERE, "a.test", 443)),
        ("malformed", "an endpoint of no cluster", endpoint("", "a.test", 443)),
        ("invalid", "an endpoint without a host", endpoint(THERE, "", 443)),
        ("invalid", "an endpoint on port 0", endpoint(THERE, "a.test", 0)),
        ("malformed", "an endpoint on port 70000", endpoint(THERE, "a.test", 70_000)),
        ("invalid", "a host with haproxy's words", endpoint(THERE, "a.test }\n    bind :22", 443)),
        ("invalid", "an endless host", endpoint(THERE, &"a.".repeat(50_000), 443)),
        ("invalid", "0.0.0.0 as an endpoint", endpoint(THERE, "0.0.0.0", 443)),
        ("cluster-unknown", "users of an unknown cluster", users(NOWHERE, vec![issuer(0)])),
        ("invalid", "an issuer without TLS", with(&|i| i.url = "http://id.test".to_owned())),
        ("invalid", "an issuer for nobody", with(&|i| i.audiences.clear())),
        ("malformed", "an issuer without a user's name", with(&|i| i.username = None)),
        ("invalid", "an issuer of system users", with(&|i| i.username = Some(system.clone()))),
        (
            "malformed",
            "an issuer whose certificates are none",
            with(&|i| i.certificate_authority = "-----BEGIN CERTIFICATE-----".to_owned()),
        ),
        ("invalid", "an issuer twice", users(THERE, vec![issuer(0), issuer(0)])),
        ("hypervisor-unknown", "ports of an unknown hypervisor", share(NOWHERE, vec![443])),
        ("malformed", "port 70000 to share", share(HYPERVISOR, vec![70_000])),
        ("invalid", "port 0 to share", share(HYPERVISOR, vec![0])),
        ("invalid", "a port to share twice", share(HYPERVISOR, vec![443, 443])),
        ("invalid", "endlessly many ports to share", share(HYPERVISOR, (1..60_000).collect())),
    ];
    rows.into_iter().map(|(want, what, command)| (want, what.to_owned(), command)).collect()
}
