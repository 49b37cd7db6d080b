//! A log is copied to another broker with something done to it on the way, as one with
//! access to the broker's disk could: the audit must find it, and where.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use async_nats::HeaderMap;
use oi_audit::{AuditError, Moment, Problem, Source, replay, verify};
use oi_events::*;
use oi_journal::testing::Broker;
use oi_proof::{Checkpoint, Tree, leaf_hash};
use support::{stored, story};

type Raw = (String, HeaderMap, Vec<u8>);

/// The story's log as it is stored, and checkpoints at a third and at its end.
async fn original() -> (Vec<Raw>, Vec<Checkpoint>) {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let log = stored(&story().log);
    journal.importer().import(&log).await.unwrap();
    let client = async_nats::connect(broker.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("OI_EVENTS").await.unwrap();
    let (mut raw, mut tree, mut checkpoints) = (Vec::new(), Tree::default(), Vec::new());
    for commit in &log {
        let m = stream.get_raw_message(commit.position).await.unwrap();
        raw.push((m.subject.to_string(), m.headers, m.payload.to_vec()));
        tree.push(leaf_hash(&commit.claimed_hash().unwrap().0));
        if tree.size() == 12 || tree.size() == log.len() as u64 {
            checkpoints.push(Checkpoint::of("test", &tree));
        }
    }
    (raw, checkpoints)
}

/// Publishes the copies in a broker of their own, and verifies that log.
async fn found(copies: Vec<Raw>, checkpoints: &[Checkpoint]) -> Vec<(u64, &'static str)> {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let context = async_nats::jetstream::new(async_nats::connect(broker.url()).await.unwrap());
    for (subject, headers, body) in copies {
        let mut kept = HeaderMap::new();
        for (name, values) in headers.iter().filter(|(n, _)| !n.to_string().starts_with("Nats-")) {
            kept.insert(name.clone(), values[0].clone());
        }
        context.publish_with_headers(subject, kept, body.into()).await.unwrap().await.unwrap();
    }
    let report = verify(&Source::from(journal.log()), checkpoints, |_, _| {}).await.unwrap();
    let word = |p: &Problem| match p {
        Problem::Gap { .. } => "gap",
        Problem::Changed { .. } => "changed",
        Problem::Unchained { .. } => "unchained",
        Problem::Kinds { .. } => "kinds",
        Problem::Duplicate { .. } => "duplicate",
        Problem::Unreadable(_) => "unreadable",
        Problem::Unruled(_) => "unruled",
        Problem::Rewritten { .. } => "rewritten",
        Problem::Truncated { .. } => "truncated",
    };
    report.checker.findings().iter().map(|f| (f.position, word(&f.problem))).collect()
}

/// The first finding, which names what was done; others may follow from it.
async fn first(copies: Vec<Raw>) -> (u64, &'static str) {
    found(copies, &[]).await[0]
}

fn header_of(raw: &Raw) -> CommitHeader {
    let get = |name: &str| raw.1.get(name).unwrap().as_str().to_owned();
    CommitHeader {
        command_id: get("Oi-Command-Id").parse().unwrap(),
        correlation: get("Oi-Correlation").parse().unwrap(),
        actor: get("Oi-Actor"),
        time_ms: get("Oi-Time").parse().unwrap(),
        previous: get("Oi-Previous-Hash").parse().unwrap(),
    }
}

/// Hashes all from `from` (an index) on anew, as a forger would.
fn rechain(copies: &mut [Raw], from: usize) {
    let mut previous = match from {
        0 => Hash::ZERO,
        n => copies[n - 1].1.get("Oi-Hash").unwrap().as_str().parse().unwrap(),
    };
    for copy in &mut copies[from..] {
        let header = CommitHeader { previous, ..header_of(copy) };
        copy.1.insert("Oi-Previous-Hash", previous.to_string());
        previous = header.hash(&copy.0, &copy.2);
        copy.1.insert("Oi-Hash", previous.to_string());
    }
}

#[tokio::test]
async fn an_untouched_log_is_clean_and_attested() {
    let (copies, checkpoints) = original().await;
    assert_eq!(found(copies, &checkpoints).await, []);
}

#[tokio::test]
async fn a_changed_byte_is_found_where_it_is() {
    let (mut copies, _) = original().await;
    let last = copies[4].2.len() - 1;
    copies[4].2[last] ^= 1;
    let found = found(copies, &[]).await;
    assert!(matches!(found[0], (5, "changed" | "unreadable")), "{found:?}");
}

#[tokio::test]
async fn a_changed_header_is_found() {
    for (name, value) in [("Oi-Actor", "mallory"), ("Oi-Time", "1790000000999")] {
        let (mut copies, _) = original().await;
        assert!(copies[4].1.get(name).is_some(), "{name}");
        copies[4].1.insert(name, value);
        assert_eq!(found(copies, &[]).await, [(5, "changed"), (6, "unchained")], "{name}");
    }
}

#[tokio::test]
async fn a_changed_commit_with_its_hash_made_anew_is_found_by_its_successor() {
    let (mut copies, _) = original().await;
    copies[4].1.insert("Oi-Actor", "mallory");
    let forged = header_of(&copies[4]).hash(&copies[4].0, &copies[4].2);
    copies[4].1.insert("Oi-Hash", forged.to_string());
    assert_eq!(found(copies, &[]).await, [(6, "unchained")]);
}

#[tokio::test]
async fn a_removed_commit_is_found() {
    let (mut copies, _) = original().await;
    copies.remove(4);
    assert_eq!(first(copies).await, (5, "unchained"));
}

#[tokio::test]
async fn a_doubled_commit_is_found() {
    let (mut copies, _) = original().await;
    copies.insert(5, copies[4].clone());
    let found = found(copies, &[]).await;
    assert_eq!(found[0], (6, "unchained"));
    assert!(found.contains(&(6, "duplicate")), "{found:?}");
}

#[tokio::test]
async fn swapped_commits_are_found() {
    let (mut copies, _) = original().await;
    copies.swap(4, 5);
    assert_eq!(first(copies).await, (5, "unchained"));
}

#[tokio::test]
async fn lying_kinds_and_garbage_are_found() {
    let (mut copies, _) = original().await;
    let end = copies.len() as u64;
    copies[9].1.insert("Oi-Kinds", "DeleteCluster,ClusterDeleted");
    copies.push(("oi.events.cluster.x".to_owned(), HeaderMap::new(), b"garbage".to_vec()));
    assert_eq!(found(copies, &[]).await, [(10, "kinds"), (end + 1, "unreadable")]);
}

/// Chain and kinds are made to fit; only the rules and the signature know better.
#[tokio::test]
async fn a_forged_decision_is_found_by_the_rules_and_by_a_checkpoint() {
    let (mut copies, checkpoints) = original().await;
    let at = copies
        .iter()
        .position(|c| c.1.get("Oi-Kinds").unwrap().as_str().starts_with("AddNode"))
        .unwrap();
    let header = header_of(&copies[at]);
    let mut commit = Commit::decode(header, &copies[at].2).unwrap();
    for event in &mut commit.events {
        if let Event::Node(NodeEvent::NodeAdded(e)) = event {
            e.hypervisor = "hv-2".parse().unwrap();
        }
    }
    copies[at].2 = commit.encode_body().unwrap();
    rechain(&mut copies, at);
    let found = found(copies, &checkpoints).await;
    assert_eq!(found[0], (at as u64 + 1, "unruled"), "{found:?}");
    assert!(found.contains(&(12, "rewritten")), "{found:?}");
}

#[tokio::test]
async fn a_rewritten_tail_is_found_by_a_checkpoint() {
    let (mut copies, checkpoints) = original().await;
    let end = copies.len() as u64;
    copies[20].1.insert("Oi-Actor", "mallory");
    rechain(&mut copies, 20);
    assert_eq!(found(copies.clone(), &[]).await, []);
    assert_eq!(found(copies, &checkpoints).await, [(end, "rewritten")]);
}

#[tokio::test]
async fn a_truncated_log_is_found_by_a_checkpoint() {
    let (mut copies, checkpoints) = original().await;
    copies.truncate(20);
    assert_eq!(found(copies.clone(), &[]).await, []);
    assert_eq!(found(copies, &checkpoints).await, [(20, "truncated")]);
}

/// The broker says that there was more than it has.
#[tokio::test]
async fn deleted_messages_are_found_at_the_end_too() {
    for deleted in [[5, 6], [19, 20]] {
        let broker = Broker::start();
        let journal = oi_journal::Journal::connect(broker.config()).await.unwrap();
        let context = async_nats::jetstream::new(async_nats::connect(broker.url()).await.unwrap());
        let log = stored(&story().log);
        // As with a stream whose files were edited: one that lets messages go.
        let config = async_nats::jetstream::stream::Config {
            name: "OI_EVENTS".to_owned(),
            subjects: vec!["oi.events.>".to_owned()],
            ..Default::default()
        };
        let stream = context.create_stream(config).await.unwrap();
        journal.importer().import(&log[..20]).await.unwrap();
        for position in deleted {
            stream.delete_message(position).await.unwrap();
        }
        let report = verify(&Source::from(journal.log()), &[], |_, _| {}).await.unwrap();
        let finding = &report.checker.findings()[0];
        assert!(
            matches!(finding.problem, Problem::Gap { from, to } if [from, to] == deleted),
            "{finding:?}"
        );
    }
}

#[tokio::test]
async fn replaying_beyond_the_end_is_refused_and_a_prefix_is_a_state() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let log = stored(&story().log);
    journal.importer().import(&log).await.unwrap();
    // Twice is as good as once.
    journal.importer().import(&log[3..]).await.unwrap();
    let source = Source::from(journal.log());
    for to in 0..=3 {
        let state = replay(&source, Some(Moment::Position(to)), |_, _| {}).await.unwrap();
        assert_eq!(state.position, to);
    }
    let beyond = Moment::Position(log.len() as u64 + 1);
    let error = replay(&source, Some(beyond), |_, _| {}).await.unwrap_err();
    assert!(matches!(error, AuditError::Beyond { .. }), "{error}");
}
