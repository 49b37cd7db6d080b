//! A log of each release, kept in `tests/replay`: it must verify, fold to the same state
//! and owe the same jobs for ever.
//!
//! With `OI_GOLDEN=create` what is not there yet is made: for a new release, or once the
//! layout of the state has changed on purpose.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_audit::{ArchiveWriter, Source, decisions, replay, verify};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const COMMITS: usize = 1000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("replay")
}

/// What is written is what is compared, so that a difference can be looked at.
fn pinned(path: &Path, text: &str) {
    if !path.exists() && std::env::var_os("OI_GOLDEN").is_some_and(|v| v == "create") {
        fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let line = kept.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(kept == text, "{} differs, first in line {line:?}", path.display());
}

#[tokio::test]
async fn each_release_is_replayed_to_its_pinned_state_and_jobs() {
    let this = directory().join(concat!("v", env!("CARGO_PKG_VERSION"), ".oi"));
    if !this.exists() && std::env::var_os("OI_GOLDEN").is_some_and(|v| v == "create") {
        fs::create_dir_all(directory()).unwrap();
        let mut writer = ArchiveWriter::create(&this, COMMITS as u64).unwrap();
        for commit in oi_tests::Workload::new(42).take(COMMITS) {
            writer.commit(&commit).unwrap();
        }
        writer.finish().unwrap();
    }
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
        pinned(&path.with_extension("state"), &format!("{}\n", state.hash()));
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
