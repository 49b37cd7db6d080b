//! Who may depend on whom, and what only one crate may know.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Each crate with the crates of ours that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("oi-events", &[]),
    ("oi-proto", &["oi-yaml"]),
    ("oi-yaml", &[]),
    ("oi-pki", &[]),
    ("oi-clock", &[]),
    ("oi-keyring", &["oi-events", "oi-journal", "oi-pki"]),
    ("oi-kube", &[]),
    ("oi-helper", &["oi-kube"]),
    ("oi-tunnel", &[]),
    ("oi-node-join", &["oi-cri", "oi-events", "oi-kube", "oi-tunnel"]),
    ("oi-output", &["oi-yaml"]),
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
    ("oi-inspect", &["oi-domain", "oi-events"]),
    (
        "oi-audit",
        &["oi-domain", "oi-events", "oi-inspect", "oi-journal", "oi-proof", "oi-proto", "oi-yaml"],
    ),
    ("oi-console", &["oi-domain", "oi-events", "oi-inspect", "oi-journal", "oi-view"]),
    (
        "oi-server",
        &[
            "oi-backup-store",
            "oi-clock",
            "oi-decider",
            "oi-gateway",
            "oi-journal",
            "oi-keyring",
            "oi-console",
            "oi-pki",
            "oi-trace",
            "oi-view",
            "oi-worker",
            "oi-yaml",
        ],
    ),
    ("oi-cli", &["oi-events", "oi-node-join", "oi-output", "oi-proto", "oi-yaml"]),
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
            "oi-gateway",
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

/// Each group below `services/` with the groups that its crates may use.
const GROUPS: &[(&str, &[&str])] = &[
    ("core", &["core"]),
    // An adapter may build on another, and the CRI client speaks to our program on hypervisors.
    ("adapters", &["adapters", "agents"]),
    ("roles", &["core", "adapters", "agents", "roles"]),
    ("agents", &["adapters", "agents"]),
    ("tools", &["core", "adapters", "agents", "tools"]),
];

/// Each handle of the journal and of the keys, with the crates that may name it: nobody can do
/// what is not in this table. `oi-server` and tools connect, and hand them out.
const HANDLES: &[(&str, &[&str])] = &[
    ("Journal", &["audit", "server"]),
    ("Log", &["audit", "console", "gateway", "server", "view", "worker"]),
    ("Appender", &["decider"]),
    ("BrokerClock", &["decider"]),
    ("Importer", &["audit"]),
    ("CommandInbox", &["decider"]),
    ("CommandClient", &["gateway"]),
    ("CommandOutbox", &["worker"]),
    ("JobQueue", &["decider"]),
    ("JobInbox", &["worker"]),
    ("Submissions", &["gateway"]),
    ("Rejections", &["gateway"]),
    ("Feed", &["gateway"]),
    ("SnapshotStore", &["view"]),
    ("KeyStore", &["keyring"]),
    ("KeyMaker", &["decider"]),
    ("KeyShredder", &["worker"]),
    ("Keyring", &["decider", "gateway", "worker"]),
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

/// The group of each crate below `services/`, by its name.
fn groups() -> BTreeMap<String, String> {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    let mut found = BTreeMap::new();
    for group in fs::read_dir(services).unwrap() {
        let group = group.unwrap();
        let name = group.file_name().into_string().unwrap();
        for member in fs::read_dir(group.path()).unwrap() {
            let member = member.unwrap().file_name().into_string().unwrap();
            found.insert(format!("oi-{member}"), name.clone());
        }
    }
    found
}

#[test]
fn groups_depend_on_the_groups_below_them() {
    let (groups, all) = (groups(), dependencies());
    for (name, group) in &groups {
        let (_, may) = GROUPS
            .iter()
            .find(|(g, _)| g == group)
            .unwrap_or_else(|| panic!("services/{group} is in no group: say what it may use"));
        let uses = all.get(name).unwrap_or_else(|| panic!("{name} is not named like its folder"));
        for other in uses.iter().filter_map(|other| groups.get(other).map(|g| (other, g))) {
            assert!(may.contains(&other.1.as_str()), "{name} ({group}) must not use {}", other.0);
        }
    }
}

fn sources(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|e| e == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// The words of a crate's code, comments left out.
fn words(name: &str, group: &str) -> BTreeSet<String> {
    let folder = name.trim_start_matches("oi-");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services").join(group).join(folder);
    let mut text = String::new();
    sources(&dir.join("src"), &mut text);
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.flat_map(|line| line.split(move |c| !is_word(c)).map(str::to_owned)).collect()
}

#[test]
fn handles_are_held_by_whom_they_are_for() {
    let makers = ["oi-journal", "oi-keyring"];
    for (name, group) in groups().iter().filter(|(name, _)| !makers.contains(&name.as_str())) {
        let words = words(name, group);
        for (handle, may) in HANDLES {
            let holds = words.contains(*handle)
                && dependencies()[name].iter().any(|d| makers.contains(&d.as_str()));
            assert!(
                !holds || may.contains(&name.trim_start_matches("oi-")),
                "{name} must not hold {handle}"
            );
        }
    }
}
