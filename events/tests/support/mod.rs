//! The golden records: one JSON object a line, with the record as people read it and the
//! bytes that are stored. See golden/README.md.
#![allow(dead_code)]

use oi_events::{Command, CommandId, Commit, CommitHeader, Event, Hash, Job, from_bytes_strict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// `Command/<kind>`, `Event/<kind>` or `Job/<kind>`.
    pub record: String,
    /// The layout's version.
    pub version: u16,
    /// Which of several of one version; empty for the first.
    pub case: String,
    /// What was said.
    pub value: Value,
    /// What is stored, hexadecimal. Absent in a line that was just written by hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bytes: String,
    /// The first bytes of a digest over all before, so that no line is changed by mistake.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sum: String,
}

/// A record of any set.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Command(Command),
    Event(Event),
    Job(Job),
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Record::Command(c) => c.encode().unwrap(),
            Record::Event(e) => e.encode().unwrap(),
            Record::Job(j) => oi_events::to_bytes(j).unwrap(),
        }
    }
}

impl Golden {
    fn set_and_kind(&self) -> (&str, u16) {
        let (set, name) = self.record.split_once('/').unwrap();
        let kind = match set {
            "Command" => Command::kinds().find(|k| k.name == name),
            "Event" => Event::kinds().find(|k| k.name == name),
            _ => return (set, 0),
        };
        (set, kind.unwrap_or_else(|| panic!("there is no {}", self.record)).kind)
    }

    /// Whether this version is the one that is written.
    pub fn is_newest(&self) -> bool {
        let newest = |k: oi_events::RecordKind| k.version == self.version;
        let (set, kind) = self.set_and_kind();
        match set {
            "Command" => Command::kinds().filter(|k| k.kind == kind).all(newest),
            "Event" => Event::kinds().filter(|k| k.kind == kind).all(newest),
            _ => true,
        }
    }

    /// What was said, as a record of today.
    pub fn said(&self) -> Record {
        let (set, kind) = self.set_and_kind();
        let (version, value) = (self.version, &self.value);
        match set {
            "Command" => {
                Record::Command(Command::deserialize(kind, version, value).unwrap().unwrap())
            }
            "Event" => Record::Event(Event::deserialize(kind, version, value).unwrap().unwrap()),
            _ => Record::Job(Job::deserialize(value).unwrap()),
        }
    }

    /// What is stored, read.
    pub fn stored(&self) -> Record {
        let (set, kind) = self.set_and_kind();
        let bytes = hex::decode(&self.bytes).unwrap();
        match set {
            "Command" => Record::Command(Command::decode(kind, self.version, &bytes).unwrap()),
            "Event" => Record::Event(Event::decode(kind, self.version, &bytes).unwrap()),
            _ => Record::Job(from_bytes_strict(&bytes).unwrap()),
        }
    }

    /// The sum over the rest of the line.
    pub fn summed(&self) -> String {
        let rest = serde_json::to_vec(&Golden { sum: String::new(), ..self.clone() }).unwrap();
        Hash::of(&[b"oi/golden/v1", &rest]).to_string()[..8].to_owned()
    }
}

pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records.jsonl")
}

/// All lines, in their order.
pub fn goldens() -> Vec<Golden> {
    let text = fs::read_to_string(path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A commit of one command and the first case of each event.
pub fn commit() -> Commit {
    let uuid = |n: u128| Uuid::from_u128(0x0198_7654_3210_7abc_8def_0000_0000_0000 + n);
    let records = || goldens().into_iter().filter(|g| g.is_newest() && g.case.is_empty());
    let command = records().find_map(|g| match g.said() {
        Record::Command(command) if g.record == "Command/CreateCluster" => Some(command),
        _ => None,
    });
    let events = records().filter_map(|g| match g.said() {
        Record::Event(event) => Some(event),
        Record::Command(_) | Record::Job(_) => None,
    });
    Commit {
        header: CommitHeader {
            command_id: CommandId(uuid(2)),
            correlation: CommandId(uuid(3)),
            actor: "alice@example".to_owned(),
            time_ms: 1_790_000_000_000,
            previous: Hash([0xab; 32]),
        },
        command: command.unwrap(),
        events: events.collect(),
    }
}
