//! The stored bytes of each kind and version never change: see golden/README.md.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod samples;

use oi_events::{Command, Event, Job, RecordKind, from_bytes_strict, to_bytes};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

type Check = Box<dyn Fn(&[u8]) + Send + Sync>;

/// A sample and the file that holds its bytes. `bytes` is none for a version that
/// is no longer written.
struct Golden {
    file: String,
    bytes: Option<Vec<u8>>,
    check_decoded: Check,
}

fn file_name(set: &str, kind: &str, version: u16, variant: &str) -> String {
    let dot = if variant.is_empty() { "" } else { "." };
    format!("{set}/{kind}.v{version}{dot}{variant}.hex")
}

macro_rules! goldens {
    ($set:ident, $samples:expr) => {
        $samples.into_iter().map(|(variant, sample)| {
            let kind = sample.kind();
            Golden {
                file: file_name(stringify!($set), kind.name, kind.version, variant),
                bytes: Some(sample.encode().unwrap()),
                check_decoded: Box::new(move |bytes| {
                    assert_eq!($set::decode(kind.kind, kind.version, bytes).unwrap(), sample);
                }),
            }
        })
    };
}

/// A commit; one that holds versions that are no longer written is only read.
fn commit_golden(variant: &str, written: bool) -> Golden {
    let commit = samples::commit();
    let body = commit.encode_body().unwrap();
    let hash = commit.header.hash("oi.events.cluster.test", &body);
    Golden {
        file: file_name("Commit", "Commit", 1, variant),
        bytes: written.then(|| [hash.0.as_slice(), &body].concat()),
        check_decoded: Box::new(move |bytes| {
            let (stored_hash, body) = bytes.split_at(32);
            assert_eq!(commit.header.hash("oi.events.cluster.test", body).0, stored_hash);
            assert_eq!(oi_events::Commit::decode(commit.header.clone(), body).unwrap(), commit);
        }),
    }
}

/// Two commits in one message.
fn batch_golden() -> Golden {
    let commit = samples::commit();
    let subject = "oi.events.cluster.test";
    let check = move |body: &[u8], frames: &[u8]| {
        let read = oi_events::read_batch(body).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].subject, read[0].body, read[0].actor),
            (subject, frames, "alice@example")
        );
        assert_eq!(read[1].hash, oi_events::Hash([2; 32]));
    };
    // What is in a commit has goldens of its own.
    let frames = b"frames".as_slice();
    let one =
        |n| oi_events::Batched::new(&commit.header, subject, oi_events::Hash([n; 32]), frames);
    Golden {
        file: file_name("Commit", "Batch", 2, ""),
        bytes: Some(oi_events::write_batch(&[one(1), one(2)]).unwrap()),
        check_decoded: Box::new(move |bytes| check(bytes, frames)),
    }
}

fn goldens() -> Vec<Golden> {
    let jobs = samples::jobs().into_iter().map(|job| Golden {
        file: file_name("Job", &format!("{:?}", job.kind), 1, ""),
        bytes: Some(to_bytes(&job).unwrap()),
        check_decoded: Box::new(move |bytes| {
            assert_eq!(from_bytes_strict::<Job>(bytes).unwrap(), job);
        }),
    });
    goldens!(Command, samples::commands())
        .chain(goldens!(Event, samples::events()))
        .chain(jobs)
        .chain([
            commit_golden("", false),
            commit_golden("second", false),
            commit_golden("third", true),
            batch_golden(),
        ])
        .chain(outdated())
        .collect()
}

/// Versions that are no longer written: decoded to the newest form.
fn outdated() -> Vec<Golden> {
    let old = |set, kind, check_decoded: Check| Golden {
        file: file_name(set, kind, 1, ""),
        bytes: None,
        check_decoded,
    };
    let number = |all: &[RecordKind], name: &str| all.iter().find(|k| k.name == name).unwrap().kind;
    let sampled = |name: &str| {
        let all = samples::events().into_iter().map(|(_, e)| e);
        all.into_iter().find(|e| e.kind().name == name).unwrap()
    };
    let asked = |name: &str| {
        let all = samples::commands().into_iter().map(|(_, c)| c);
        all.into_iter().find(|c| c.kind().name == name).unwrap()
    };
    let commands = ["DeleteCluster", "RecordKubeconfig"].map(|name| {
        let (kind, newest) = (number(Command::KINDS, name), asked(name));
        let check =
            move |bytes: &[u8]| assert_eq!(Command::decode(kind, 1, bytes).unwrap(), newest);
        old("Command", name, Box::new(check))
    });
    let events = ["ClusterDeletionStarted", "KubeconfigIssued"].map(|name| {
        let (kind, newest) = (number(Event::KINDS, name), sampled(name));
        let check = move |bytes: &[u8]| assert_eq!(Event::decode(kind, 1, bytes).unwrap(), newest);
        old("Event", name, Box::new(check))
    });
    commands.into_iter().chain(events).collect()
}

/// The directory, with what is missing written where OI_GOLDEN=create asks for it.
static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    if std::env::var_os("OI_GOLDEN").is_some_and(|v| v == "create") {
        create_missing(&dir);
    }
    dir
});

fn create_missing(dir: &Path) {
    for golden in goldens() {
        let (path, Some(bytes)) = (dir.join(&golden.file), golden.bytes) else { continue };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Ok(mut file) = fs::File::create_new(path) {
            let lines = bytes.chunks(32).map(hex::encode).collect::<Vec<_>>();
            writeln!(file, "{}", lines.join("\n")).unwrap();
        }
    }
    let mut sums = manifest(dir);
    for file in stored_files(dir) {
        sums.entry(file.clone()).or_insert_with(|| sha256(&dir.join(file)));
    }
    let text: String = sums.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect();
    fs::write(dir.join("SHA256SUMS"), text).unwrap();
}

fn sha256(path: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(path).unwrap()))
}

fn manifest(dir: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(dir.join("SHA256SUMS")).unwrap_or_default();
    text.lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, file)| (file.to_owned(), sum.to_owned()))
        .collect()
}

fn stored_files(dir: &Path) -> BTreeSet<String> {
    ["Command", "Event", "Job", "Commit"]
        .iter()
        .flat_map(|set| fs::read_dir(dir.join(set)).into_iter().flatten().map(move |e| (set, e)))
        .map(|(set, entry)| format!("{set}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect()
}

fn read(golden: &Golden) -> Vec<u8> {
    let text = fs::read_to_string(DIR.join(&golden.file)).unwrap_or_else(|e| {
        panic!("{}: {e}; OI_GOLDEN=create writes a golden that is missing", golden.file)
    });
    hex::decode(text.split_whitespace().collect::<String>()).unwrap()
}

#[test]
fn stored_bytes_decode_to_their_sample() {
    for golden in goldens() {
        (golden.check_decoded)(&read(&golden));
    }
}

#[test]
fn samples_encode_to_the_stored_bytes() {
    for golden in goldens() {
        if let Some(bytes) = &golden.bytes {
            let (now, stored) = (hex::encode(bytes), hex::encode(read(&golden)));
            assert_eq!(now, stored, "{}: make a new version instead", golden.file);
        }
    }
}

#[test]
fn each_kind_and_version_has_a_golden() {
    let have: BTreeSet<String> = goldens().into_iter().map(|g| g.file).collect();
    let check = |set: &str, kinds: &[RecordKind]| {
        for kind in kinds {
            for version in 1..=kind.version {
                let file = file_name(set, kind.name, version, "");
                assert!(have.contains(&file), "no sample for {file}");
            }
        }
    };
    check("Command", Command::KINDS);
    check("Event", Event::KINDS);
}

#[test]
fn kind_numbers_and_names_are_used_once() {
    let all = || Command::KINDS.iter().chain(Event::KINDS);
    assert_eq!(all().map(|k| k.kind).collect::<BTreeSet<_>>().len(), all().count());
    assert_eq!(all().map(|k| k.name).collect::<BTreeSet<_>>().len(), all().count());
}

#[test]
fn no_golden_was_changed_removed_or_left_without_a_sample() {
    let (sums, stored) = (manifest(&DIR), stored_files(&DIR));
    assert_eq!(sums.keys().cloned().collect::<BTreeSet<_>>(), stored, "files and SHA256SUMS");
    for (file, sum) in &sums {
        assert_eq!(&sha256(&DIR.join(file)), sum, "{file} was changed");
    }
    let sampled: BTreeSet<String> = goldens().into_iter().map(|g| g.file).collect();
    assert_eq!(stored, sampled, "files and samples");
}

#[test]
fn trailing_bytes_are_refused() {
    for (_, command) in samples::commands() {
        let (kind, bytes) = (command.kind(), [command.encode().unwrap(), vec![0]].concat());
        Command::decode(kind.kind, kind.version, &bytes).unwrap_err();
    }
    for (_, event) in samples::events() {
        let (kind, bytes) = (event.kind(), [event.encode().unwrap(), vec![0]].concat());
        Event::decode(kind.kind, kind.version, &bytes).unwrap_err();
    }
}
