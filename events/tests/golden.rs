//! The stored bytes of each kind and version never change: see golden/README.md.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use oi_events::{Batched, Command, Commit, Event, Hash, JobKind, RecordKind};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use support::{Golden, Record, goldens, path};

/// The lines, with the bytes of those that have none where OI_GOLDEN=create asks for them.
static GOLDENS: LazyLock<Vec<Golden>> = LazyLock::new(|| {
    if std::env::var_os("OI_GOLDEN").is_none_or(|v| v != "create") {
        return goldens();
    }
    let mut text = String::new();
    for mut golden in goldens() {
        if golden.bytes.is_empty() {
            golden.bytes = hex::encode(golden.said().encode());
        }
        if golden.sum.is_empty() {
            golden.sum = golden.summed();
        }
        writeln!(text, "{}", serde_json::to_string(&golden).unwrap()).unwrap();
    }
    fs::write(path(), text).unwrap();
    goldens()
});

#[test]
fn stored_bytes_are_read_as_what_was_said() {
    for golden in &*GOLDENS {
        assert_eq!(golden.stored(), golden.said(), "{golden:?}");
    }
}

#[test]
fn what_is_said_is_stored_in_the_same_bytes() {
    for golden in GOLDENS.iter().filter(|g| g.is_newest()) {
        let now = hex::encode(golden.said().encode());
        assert_eq!(now, golden.bytes, "{}: make a new version instead", golden.record);
    }
}

#[test]
fn each_kind_and_version_has_a_golden() {
    let have: BTreeSet<(String, u16)> =
        GOLDENS.iter().map(|g| (g.record.clone(), g.version)).collect();
    let check = |set: &str, kind: RecordKind| {
        for version in 1..=kind.version {
            let record = format!("{set}/{}", kind.name);
            assert!(have.contains(&(record.clone(), version)), "no line for {record} v{version}");
        }
    };
    Command::kinds().for_each(|kind| check("Command", kind));
    Event::kinds().for_each(|kind| check("Event", kind));
    for kind in JobKind::ALL {
        assert!(have.contains(&(format!("Job/{kind:?}"), 1)), "no line for job {kind:?}");
    }
}

#[test]
fn kind_numbers_and_names_are_used_once() {
    let all = || Command::kinds().chain(Event::kinds());
    assert_eq!(all().map(|k| k.kind).collect::<BTreeSet<_>>().len(), all().count());
    assert_eq!(all().map(|k| k.name).collect::<BTreeSet<_>>().len(), all().count());
}

#[test]
fn no_line_was_changed_or_said_twice() {
    let mut seen = BTreeSet::new();
    for golden in &*GOLDENS {
        assert_eq!(golden.sum, golden.summed(), "{} was changed", golden.record);
        let name = (golden.record.clone(), golden.version, golden.case.clone());
        assert!(seen.insert(name), "{} v{} twice", golden.record, golden.version);
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for golden in &*GOLDENS {
        let long = [hex::decode(&golden.bytes).unwrap(), vec![0]].concat();
        match golden.stored() {
            Record::Command(c) => {
                Command::decode(c.kind().kind, golden.version, &long).unwrap_err();
            }
            Record::Event(e) => {
                Event::decode(e.kind().kind, golden.version, &long).unwrap_err();
            }
            Record::Job(_) => {
                oi_events::from_bytes_strict::<oi_events::Job>(&long).unwrap_err();
            }
        }
    }
}

/// Bytes in a file of their own, made where OI_GOLDEN=create asks for it.
fn pinned(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if !path.exists() && std::env::var_os("OI_GOLDEN").is_some_and(|v| v == "create") {
        let lines: Vec<_> = bytes.chunks(32).map(hex::encode).collect();
        fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

/// The hash, then the body.
#[test]
fn a_commit_is_stored_in_the_same_bytes() {
    const SUBJECT: &str = "oi.events.cluster.test";
    // New kinds do not change it.
    let mut commit = support::commit();
    commit.events.truncate(20);
    let body = commit.encode_body().unwrap();
    let hash = commit.header.hash(SUBJECT, &body);
    let bytes = [hash.0.as_slice(), &body].concat();
    let stored = pinned("commit.hex", &bytes);
    assert_eq!(hex::encode(&bytes), hex::encode(&stored));
    assert_eq!(Commit::decode(commit.header.clone(), &stored[32..]).unwrap(), commit);
}

/// Two commits in one message.
#[test]
fn a_batch_is_stored_in_the_same_bytes() {
    const SUBJECT: &str = "oi.events.cluster.test";
    let commit = support::commit();
    // What is in a commit has goldens of its own.
    let frames = b"frames".as_slice();
    let one = |n| Batched::new(&commit.header, SUBJECT, Hash([n; 32]), frames);
    let bytes = oi_events::write_batch(&[one(1), one(2)]).unwrap();
    let stored = pinned("batch.hex", &bytes);
    assert_eq!(hex::encode(&bytes), hex::encode(&stored));
    let read = oi_events::read_batch(&stored).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].subject, read[0].body, read[0].actor), (SUBJECT, frames, "alice@example"));
    assert_eq!(read[1].hash, Hash([2; 32]));
}
