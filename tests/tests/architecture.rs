//! Who may depend on whom, and what only one crate may know.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate with the crates of ours that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("oi-events", &[]),
    ("oi-proto", &[]),
    ("oi-pki", &[]),
    ("oi-clock", &[]),
    ("oi-keyring", &["oi-events", "oi-journal", "oi-pki"]),
    ("oi-kube", &[]),
    ("oi-helper", &["oi-kube"]),
    ("oi-tunnel", &[]),
    ("oi-node-join", &["oi-cri", "oi-events", "oi-kube", "oi-tunnel"]),
    ("oi-output", &[]),
    // Checks proofs without anything else of ours.
    ("oi-proof", &[]),
    ("oi-domain", &["oi-events"]),
    ("oi-journal", &["oi-events"]),
    ("oi-trace", &["oi-events"]),
    ("oi-cri", &["oi-helper", "oi-kube"]),
    ("oi-view", &["oi-domain", "oi-events", "oi-journal"]),
    (
        "oi-decider",
        &[
            "oi-clock",
            "oi-domain",
            "oi-events",
            "oi-journal",
            "oi-keyring",
            "oi-pki",
            "oi-trace",
            "oi-view",
        ],
    ),
    ("oi-backup-store", &["oi-pki"]),
    (
        "oi-worker",
        &[
            "oi-backup-store",
            "oi-clock",
            "oi-cri",
            "oi-domain",
            "oi-events",
            "oi-journal",
            "oi-keyring",
            "oi-pki",
            "oi-trace",
            "oi-view",
            "oi-tunnel",
        ],
    ),
    (
        "oi-gateway",
        &[
            "oi-clock",
            "oi-domain",
            "oi-events",
            "oi-journal",
            "oi-keyring",
            "oi-pki",
            "oi-proto",
            "oi-trace",
            "oi-view",
        ],
    ),
    ("oi-audit", &["oi-domain", "oi-events", "oi-journal", "oi-output", "oi-proof", "oi-proto"]),
    ("oi-console", &["oi-audit", "oi-domain", "oi-events", "oi-journal", "oi-view"]),
    (
        "oi-server",
        &[
            "oi-backup-store",
            "oi-decider",
            "oi-gateway",
            "oi-journal",
            "oi-keyring",
            "oi-console",
            "oi-pki",
            "oi-trace",
            "oi-view",
            "oi-worker",
        ],
    ),
    ("oi-cli", &["oi-events", "oi-node-join", "oi-output", "oi-proto"]),
    ("oi-lab", &["oi-proto"]),
    ("oi-example", &["oi-proto"]),
    (
        "oi-tests",
        &[
            "oi-audit",
            "oi-backup-store",
            "oi-clock",
            "oi-cri",
            "oi-decider",
            "oi-domain",
            "oi-events",
            "oi-helper",
            "oi-journal",
            "oi-keyring",
            "oi-pki",
            "oi-proof",
            "oi-proto",
            "oi-view",
            "oi-worker",
        ],
    ),
];

/// What only these crates may use.
const ONLY: &[(&str, &[&str])] = &[
    ("async-nats", &["oi-journal", "oi-tests", "oi-example"]),
    ("k8s-cri", &["oi-cri"]),
    ("rcgen", &["oi-pki"]),
    ("object_store", &["oi-backup-store"]),
    ("opentelemetry", &["oi-trace"]),
    ("ureq", &["oi-kube"]),
    ("boringtun", &["oi-tunnel"]),
    ("tun-rs", &["oi-tunnel"]),
    ("netlink-sys", &["oi-tunnel"]),
];

/// What makes a crate impure.
const IMPURE: &[&str] = &["tokio", "futures", "getrandom", "rand", "time", "jiff", "tracing"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let one = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        let normal = all.iter().filter(|d| d["kind"].is_null());
        (text(&package["name"]), normal.map(|d| text(&d["name"])).collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn dependencies_point_one_way() {
    for (name, uses) in dependencies() {
        let (_, may) = MAY_USE
            .iter()
            .find(|(n, _)| *n == name)
            .unwrap_or_else(|| panic!("{name} is not in this test: say what it may use"));
        for other in uses.iter().filter(|d| d.starts_with("oi-")) {
            assert!(may.contains(&other.as_str()), "{name} must not use {other}");
        }
    }
}

#[test]
fn each_outside_world_has_one_adapter() {
    for (name, uses) in dependencies() {
        for (library, allowed) in ONLY {
            let wrong = uses.contains(*library) && !allowed.contains(&name.as_str());
            assert!(!wrong, "{name} must not use {library}: that is for {allowed:?}");
        }
    }
}

#[test]
fn events_and_domain_are_pure() {
    let all = dependencies();
    for name in ["oi-events", "oi-domain"] {
        for library in IMPURE {
            assert!(!all[name].contains(*library), "{name} must not use {library}");
        }
    }
}
