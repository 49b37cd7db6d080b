//! `oi-tamper`: does to the files of a stopped broker what somebody with access to its
//! disk could do to the log, checksums made anew, and prints where that is to be found.

mod blocks;

use blocks::{Blocks, Record};
use clap::{Parser, ValueEnum};
use oi_events::{
    BATCH_FORMAT, Commit, CommitHeader, Event, Hash, HypervisorEvent, NodeEvent, read_batch,
};
use oi_journal::kinds;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Tampers with the log of a stopped broker.
#[derive(Parser)]
struct Cli {
    /// The directory in which the broker stores its streams.
    store: PathBuf,
    /// What to do.
    kind: Kind,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Write all as it was.
    Nothing,
    /// Change a byte of a commit's body.
    Byte,
    /// Let somebody else have asked.
    Actor,
    /// Change the time of a commit, and its hash with it.
    Time,
    /// Swap two commits.
    Swap,
    /// Delete a commit.
    Delete,
    /// Delete a commit, and number the others anew.
    Close,
    /// Put a commit in twice.
    Double,
    /// Put something else in a commit's place.
    Garbage,
    /// List other kinds in the header than there are.
    Kinds,
    /// Let a node have been placed elsewhere, and chain all that follows anew.
    Forge,
    /// Change a late commit, and chain all that follows anew.
    Tail,
    /// Cut off the last commits.
    Cut,
}

/// The value of a header.
fn get(record: &Record, name: &str) -> String {
    let text = String::from_utf8_lossy(&record.headers).into_owned();
    let line = text.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_default().trim().to_owned()
}

fn set(record: &mut Record, name: &str, value: &str) {
    let text = String::from_utf8_lossy(&record.headers).into_owned();
    let line = |line: &str| match line.starts_with(&format!("{name}:")) {
        true => format!("{name}: {value}"),
        false => line.to_owned(),
    };
    let lines: Vec<_> = text.split("\r\n").map(line).collect();
    record.headers = lines.join("\r\n").into_bytes();
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn header(record: &Record) -> io::Result<CommitHeader> {
    let failed = || bad("a commit's header does not parse");
    Ok(CommitHeader {
        command_id: get(record, "Oi-Command-Id").parse().map_err(|_| failed())?,
        correlation: get(record, "Oi-Correlation").parse().map_err(|_| failed())?,
        actor: get(record, "Oi-Actor"),
        time_ms: get(record, "Oi-Time").parse().map_err(|_| failed())?,
        previous: get(record, "Oi-Previous-Hash").parse().map_err(|_| failed())?,
    })
}

/// The same log with a message for each commit: where it is a commit's place in the log.
fn apart(records: Vec<Record>) -> io::Result<Vec<Record>> {
    let mut all: Vec<Record> = Vec::new();
    for mut record in records {
        if get(&record, "Oi-Format") != BATCH_FORMAT.to_string() {
            let text = String::from_utf8_lossy(&record.headers).into_owned();
            let lines: Vec<_> =
                text.split("\r\n").filter(|line| !line.starts_with("Oi-Position:")).collect();
            record.headers = lines.join("\r\n").into_bytes();
            all.push(record);
            continue;
        }
        let failed = || bad("a message of several commits does not decode");
        let mut previous: Hash = get(&record, "Oi-Previous-Hash").parse().map_err(|_| failed())?;
        for one in read_batch(&record.payload).map_err(|_| failed())? {
            let commit = Commit::decode(one.header(previous), one.body).map_err(|_| failed())?;
            let headers = format!(
                "NATS/1.0\r\nOi-Format: 1\r\nOi-Kinds: {}\r\nOi-Command-Id: {}\r\nOi-Correlation: {}\r\nOi-Actor: {}\r\nOi-Time: {}\r\nOi-Previous-Hash: {previous}\r\nOi-Hash: {}\r\nNats-Msg-Id: {}\r\n\r\n",
                kinds(&commit),
                one.command_id,
                one.correlation,
                one.actor,
                one.time_ms,
                one.hash,
                one.command_id,
            );
            all.push(Record {
                subject: one.subject.to_owned(),
                headers: headers.into_bytes(),
                payload: one.body.to_vec(),
                ..record.clone()
            });
            previous = one.hash;
        }
    }
    (1..).zip(&mut all).for_each(|(sequence, record)| record.sequence = sequence);
    Ok(all)
}

/// Gives a commit and all that follow hashes that fit.
fn rechain(records: &mut [Record], from: usize) -> io::Result<()> {
    let mut previous: Hash = match from {
        0 => Hash::ZERO,
        n => get(&records[n - 1], "Oi-Hash").parse().map_err(|_| bad("a hash does not parse"))?,
    };
    for record in &mut records[from..] {
        set(record, "Oi-Previous-Hash", &previous.to_string());
        previous = header(record)?.hash(&record.subject, &record.payload);
        set(record, "Oi-Hash", &previous.to_string());
    }
    Ok(())
}

/// Places the first node that was added on another hypervisor; returns where that is.
fn forge(records: &mut [Record]) -> io::Result<usize> {
    let mut known = Vec::new();
    for (n, record) in records.iter_mut().enumerate() {
        let mut commit = Commit::decode(header(record)?, &record.payload)
            .map_err(|_| bad("a commit does not decode"))?;
        let mut forged = false;
        for event in &mut commit.events {
            match event {
                Event::Hypervisor(HypervisorEvent::HypervisorRegistered(e)) => {
                    known.push(e.hypervisor.name.clone())
                }
                Event::Node(NodeEvent::NodeAdded(e)) => {
                    let other = known.iter().find(|h| **h != e.hypervisor);
                    e.hypervisor = other.ok_or_else(|| bad("one hypervisor only"))?.clone();
                    forged = true;
                }
                _ => {}
            }
        }
        if forged {
            record.payload = commit.encode_body().map_err(|_| bad("it does not encode"))?;
            rechain(records, n)?;
            return Ok(n + 1);
        }
    }
    Err(bad("no node was added"))
}

/// Does it; returns the position at which it is to be found.
fn tamper(records: &mut Vec<Record>, kind: Kind) -> io::Result<usize> {
    if records.len() < 12 {
        return Err(bad("a log of twelve commits at least is needed"));
    }
    let middle = records.len() / 2;
    match kind {
        Kind::Nothing => return Ok(0),
        Kind::Byte => {
            let last = records[middle].payload.len() - 1;
            records[middle].payload[last] ^= 1;
        }
        Kind::Actor => set(&mut records[middle], "Oi-Actor", "mallory"),
        Kind::Time => {
            let later = header(&records[middle])?.time_ms + 1;
            set(&mut records[middle], "Oi-Time", &later.to_string());
            let hash =
                header(&records[middle])?.hash(&records[middle].subject, &records[middle].payload);
            set(&mut records[middle], "Oi-Hash", &hash.to_string());
            return Ok(middle + 2);
        }
        Kind::Swap => {
            records.swap(middle, middle + 1);
            records[middle].sequence -= 1;
            records[middle + 1].sequence += 1;
        }
        Kind::Delete => drop(records.remove(middle)),
        Kind::Close => {
            records.remove(middle);
            records[middle..].iter_mut().for_each(|r| r.sequence -= 1);
        }
        Kind::Double => {
            records.insert(middle + 1, records[middle].clone());
            records[middle + 1..].iter_mut().for_each(|r| r.sequence += 1);
            return Ok(middle + 2);
        }
        Kind::Garbage => {
            records[middle].payload = b"nothing of ours".to_vec();
            records[middle].headers = Vec::new();
        }
        Kind::Kinds => set(&mut records[middle], "Oi-Kinds", "DeleteCluster,ClusterDeleted"),
        Kind::Forge => return forge(records),
        Kind::Tail => {
            let late = records.len() - 4;
            set(&mut records[late], "Oi-Actor", "mallory");
            rechain(records, late)?;
            return Ok(records.len());
        }
        Kind::Cut => {
            records.truncate(records.len() - 3);
            return Ok(records.len());
        }
    }
    Ok(middle + 1)
}

fn run(cli: &Cli) -> io::Result<usize> {
    let (blocks, records) = Blocks::read(&cli.store, "OI_EVENTS")?;
    let mut records = apart(records)?;
    let position = tamper(&mut records, cli.kind)?;
    blocks.write(&records)?;
    Ok(position)
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(position) => {
            println!("{position}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
