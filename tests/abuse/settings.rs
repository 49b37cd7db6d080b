//! Endpoints, ports to share and issuers of users' tokens that must be refused.

use crate::{HYPERVISOR, NOWHERE, THERE};
use oi_proto::v1::{self, submit_request::Command as Asked};

fn endpoint(cluster: &str, host: &str, port: u32) -> Asked {
    let endpoint = v1::Endpoint { host: host.to_owned(), port, forwarded: true };
    Asked::SetEndpoint(v1::SetEndpoint { cluster: cluster.to_owned(), endpoint: Some(endpoint) })
}

fn issuer() -> v1::Issuer {
    let username = v1::ClaimMapping { claim: "sub".to_owned(), prefix: "a:".to_owned() };
    v1::Issuer {
        url: "https://id.test".to_owned(),
        audiences: vec!["kubernetes".to_owned()],
        username: Some(username),
        ..v1::Issuer::default()
    }
}

fn users(cluster: &str, issuers: Vec<v1::Issuer>) -> Asked {
    Asked::SetAuthentication(v1::SetAuthentication { cluster: cluster.to_owned(), issuers })
}

fn share(name: &str, ports: Vec<u32>) -> Asked {
    Asked::SharePorts(v1::SharePorts { name: name.to_owned(), ports })
}

fn with(change: &dyn Fn(&mut v1::Issuer)) -> Asked {
    let mut wrong = issuer();
    change(&mut wrong);
    users(THERE, vec![wrong])
}

/// One more than each limit, and well otherwise.
fn above() -> Vec<(&'static str, &'static str, Asked)> {
    let numbered = |n: u32| v1::Issuer { url: format!("https://id-{n}.test"), ..issuer() };
    let claim = |n: u32| v1::RequiredClaim { claim: format!("claim-{n}"), value: "a".to_owned() };
    let long = || "a".repeat(2049);
    let mapping = |claim: String, prefix: String| Some(v1::ClaimMapping { claim, prefix });
    vec![
        ("invalid", "65 ports to share", share(HYPERVISOR, (10_000..10_065).collect())),
        ("invalid", "65 issuers", users(THERE, (0..65).map(numbered).collect())),
        ("invalid", "a URL of 2049", with(&|i| i.url = format!("https://{}", "a".repeat(2041)))),
        (
            "invalid",
            "65 audiences",
            with(&|i| i.audiences = (0..65).map(|n| n.to_string()).collect()),
        ),
        ("invalid", "an audience of 2049", with(&|i| i.audiences = vec![long()])),
        ("invalid", "65 claims", with(&|i| i.required_claims = (0..65).map(claim).collect())),
        ("invalid", "a claim of 2049", with(&|i| i.username = mapping(long(), String::new()))),
        ("invalid", "a prefix of 2049", with(&|i| i.groups = mapping("g".to_owned(), long()))),
    ]
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
        ("cluster-unknown", "users of an unknown cluster", users(NOWHERE, vec![issuer()])),
        ("invalid", "an issuer without TLS", with(&|i| i.url = "http://id.test".to_owned())),
        ("invalid", "an issuer for nobody", with(&|i| i.audiences.clear())),
        ("malformed", "an issuer without a user's name", with(&|i| i.username = None)),
        ("invalid", "an issuer of system users", with(&|i| i.username = Some(system.clone()))),
        (
            "malformed",
            "an issuer whose certificates are none",
            with(&|i| i.certificate_authority = "-----BEGIN CERTIFICATE-----".to_owned()),
        ),
        ("invalid", "an issuer twice", users(THERE, vec![issuer(), issuer()])),
        ("hypervisor-unknown", "ports of an unknown hypervisor", share(NOWHERE, vec![443])),
        ("malformed", "port 70000 to share", share(HYPERVISOR, vec![70_000])),
        ("invalid", "port 0 to share", share(HYPERVISOR, vec![0])),
        ("invalid", "a port to share twice", share(HYPERVISOR, vec![443, 443])),
        ("invalid", "endlessly many ports to share", share(HYPERVISOR, (1..60_000).collect())),
    ];
    rows.into_iter()
        .chain(above())
        .map(|(want, what, command)| (want, what.to_owned(), command))
        .collect()
}
