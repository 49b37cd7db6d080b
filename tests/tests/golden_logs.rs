//! A log of each release, and one of an older level, kept in `tests/replay`: it must verify, fold to the same state
//! and owe the same jobs for ever. What later releases know beside is no difference.
//!
//! With `OI_GOLDEN=create` what is not there yet is made: for a new release.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../services/core/domain/tests/support/mod.rs"]
mod world;

use oi_audit::{ArchiveWriter, Source, decisions, replay, verify};
use oi_domain::State;
use oi_events::*;
use oi_inspect::render;
use oi_journal::StoredCommit;
use oi_journal::testing::stored;
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use world::*;

const COMMITS: usize = 1000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("replay")
}

/// Whether what is not there yet is made.
fn creates() -> bool {
    std::env::var_os("OI_GOLDEN").is_some_and(|v| v == "create")
}

/// What is written is what is compared, so that a difference can be looked at.
fn pinned(path: &Path, text: &str) {
    if !path.exists() && creates() {
        fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let line = kept.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(kept == text, "{} differs, first in line {line:?}", path.display());
}

/// Where today's value lacks something that was pinned, or has it otherwise.
fn missing(path: &str, pinned: &Value, today: &Value) -> Option<String> {
    match (pinned, today) {
        (Value::Object(pinned), Value::Object(today)) => pinned.iter().find_map(|(key, value)| {
            let path = format!("{path}/{key}");
            missing(&path, value, today.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(pinned), Value::Array(today)) if pinned.len() == today.len() => {
            let mut pairs = pinned.iter().zip(today).enumerate();
            pairs.find_map(|(n, (a, b))| missing(&format!("{path}/{n}"), a, b))
        }
        (pinned, today) => {
            (pinned != today).then(|| format!("{path}: it was {pinned}, and is {today}"))
        }
    }
}

/// A new field is no difference: only what a release knew is compared.
fn pinned_state(path: &Path, state: &State) {
    let today = render(state).unwrap();
    assert!(today.is_object());
    if !path.exists() && creates() {
        fs::write(path, format!("{today}\n")).unwrap();
    }
    let kept = serde_json::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let difference = missing("", &kept, &today);
    assert!(difference.is_none(), "{}: {difference:?}", path.display());
}

/// What the rules accept of a log below level 4 and refuse later: a hypervisor with a loopback
/// address, two at one address whose nodes have the same ports, and a node under the name of one
/// that was replaced, which then goes in its turn.
fn of_level_3() -> Vec<StoredCommit> {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: 3 });
    let at = |n, address: &str| RegisterHypervisorV1 {
        address: address.parse().unwrap(),
        ..hypervisor(n)
    };
    world.run(cluster("other"));
    for h in [at(3, "127.0.0.1"), at(4, "192.0.2.1"), at(6, "10.244.7.7")] {
        let name = h.name.clone();
        world.run(h);
        let seen = Observation::HypervisorReachable { name, runtime: "containerd".to_owned() };
        world.run(ReportObservationV1 { observation: seen });
    }
    let on = Some(name("hv-4"));
    world.run(AddNodeV1 { hypervisor: on, ..node("other", "cp-1", Role::ControlPlane) });
    world.finish_all();
    let ports = |c: &str| world.node(c, "cp-1").ports.clone();
    assert_eq!(ports("other"), ports("test"), "at one address");
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    world.finish_all();
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.finish_all();
    assert!(!world.cluster("test").nodes.contains_key(&name::<NodeName>("cp-1")));
    stored(&world.log)
}

fn write_log(path: &Path, make: impl FnOnce() -> Vec<StoredCommit>) {
    if path.exists() || !creates() {
        return;
    }
    fs::create_dir_all(directory()).unwrap();
    let commits = make();
    let mut writer = ArchiveWriter::create(path, commits.len() as u64).unwrap();
    commits.iter().for_each(|commit| writer.commit(commit).unwrap());
    writer.finish().unwrap();
}

#[tokio::test]
async fn each_release_is_replayed_to_its_pinned_state_and_jobs() {
    let this = directory().join(concat!("v", env!("CARGO_PKG_VERSION"), ".oi"));
    write_log(&this, || oi_tests::Workload::new(42).take(COMMITS).collect());
    write_log(&directory().join("level-3.oi"), of_level_3);
    let mut count = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "oi") {
            continue;
        }
        count += 1;
        let source = Source::Archive(path.clone());
        let report = verify(&source, &[], |_, _| {}).await.unwrap();
        assert!(report.checker.findings().is_empty(), "{:?}", report.checker.findings().first());
        let state = replay(&source, None, |_, _| {}).await.unwrap();
        pinned_state(&path.with_extension("state.json"), &state);
        let mut jobs = String::new();
        decisions(&source, None, |decision, _| {
            for job in &decision.jobs {
                jobs.push_str(&format!("{} {job}\n", decision.position));
            }
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
        pinned(&path.with_extension("jobs"), &jobs);
    }
    assert!(count > 0, "there is no log in {}", directory().display());
}
