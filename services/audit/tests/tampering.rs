//! A log is copied to another broker with something done to it on the way, as one with
//! access to the broker's disk could: the audit must find it, and where.
#![allow(clippy::unwrap_used, missing_docs)]

use async_nats::HeaderMap;
use oi_audit::{AuditError, Problem, replay, verify};
use oi_events::*;
use oi_journal::testing::Broker;
use uuid::Uuid;

type Raw = (String, HeaderMap, Vec<u8>);

fn commit(n: u64, previous: Hash) -> Commit {
    let id = CommandId(Uuid::from_u128(n.into()));
    let name: HypervisorName = format!("hv-{n}").parse().unwrap();
    let cordoned = n.is_multiple_of(2);
    Commit {
        header: CommitHeader {
            command_id: id,
            correlation: id,
            actor: "alice".to_owned(),
            time_ms: 1_790_000_000_000 + n,
            previous,
        },
        command: CordonHypervisorV1 { name: name.clone(), cordoned }.into(),
        events: vec![HypervisorCordonedV1 { name, cordoned }.into()],
    }
}

/// Ten commits as they are stored.
async fn original() -> (Vec<Raw>, Hash) {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let mut head = Hash::ZERO;
    for n in 1..=10 {
        head = journal.append(&commit(n, head), n - 1).await.unwrap().hash;
    }
    let client = async_nats::connect(broker.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("OI_EVENTS").await.unwrap();
    let mut raw = Vec::new();
    for n in 1..=10 {
        let m = stream.get_raw_message(n).await.unwrap();
        raw.push((m.subject.to_string(), m.headers, m.payload.to_vec()));
    }
    (raw, head)
}

/// Publishes the copies in a broker of their own, and verifies that log.
async fn found(copies: Vec<Raw>) -> Vec<(u64, String)> {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let context = async_nats::jetstream::new(async_nats::connect(broker.url()).await.unwrap());
    for (subject, mut headers, body) in copies {
        let keep: Vec<_> = headers
            .iter()
            .filter(|(name, _)| !name.to_string().starts_with("Nats-"))
            .map(|(name, values)| (name.clone(), values[0].clone()))
            .collect();
        headers = HeaderMap::new();
        keep.into_iter().for_each(|(name, value)| headers.insert(name, value));
        context.publish_with_headers(subject, headers, body.into()).await.unwrap().await.unwrap();
    }
    let report = verify(&journal, |_, _| {}).await.unwrap();
    let word = |p: &Problem| match p {
        Problem::Gap { .. } => "gap",
        Problem::Changed { .. } => "changed",
        Problem::Unchained { .. } => "unchained",
        Problem::Kinds { .. } => "kinds",
        Problem::Doubled { .. } => "doubled",
        Problem::Unreadable(_) => "unreadable",
    };
    let findings = report.checker.findings().iter();
    findings.map(|f| (f.position, word(&f.problem).to_owned())).collect()
}

fn expect(of: &[(u64, &str)]) -> Vec<(u64, String)> {
    of.iter().map(|(position, word)| (*position, (*word).to_owned())).collect()
}

#[tokio::test]
async fn an_untouched_log_is_clean() {
    let (copies, _) = original().await;
    assert_eq!(found(copies).await, []);
}

#[tokio::test]
async fn a_changed_body_is_found_where_it_is_and_by_its_successor() {
    let (mut copies, _) = original().await;
    let last = copies[4].2.len() - 1;
    copies[4].2[last] ^= 1;
    assert_eq!(found(copies).await, expect(&[(5, "changed"), (6, "unchained")]));
}

#[tokio::test]
async fn a_changed_header_is_found() {
    for (name, value) in [("Oi-Actor", "mallory"), ("Oi-Time", "1790000000999")] {
        let (mut copies, _) = original().await;
        assert!(copies[4].1.get(name).is_some(), "{name}");
        copies[4].1.insert(name, value);
        assert_eq!(found(copies).await, expect(&[(5, "changed"), (6, "unchained")]), "{name}");
    }
}

#[tokio::test]
async fn a_changed_body_with_its_hash_made_anew_is_found_by_its_successor() {
    let (mut copies, _) = original().await;
    let last = copies[4].2.len() - 1;
    copies[4].2[last] ^= 1;
    let header = CommitHeader { previous: previous(&copies[4]), ..commit(5, Hash::ZERO).header };
    let forged = header.hash(&copies[4].0, &copies[4].2);
    copies[4].1.insert("Oi-Hash", forged.to_string());
    assert_eq!(found(copies).await, expect(&[(6, "unchained")]));
}

fn previous((_, headers, _): &Raw) -> Hash {
    headers.get("Oi-Previous-Hash").unwrap().as_str().parse().unwrap()
}

#[tokio::test]
async fn a_removed_commit_is_found() {
    let (mut copies, _) = original().await;
    copies.remove(4);
    assert_eq!(found(copies).await, expect(&[(5, "unchained")]));
}

#[tokio::test]
async fn a_doubled_commit_is_found() {
    let (mut copies, _) = original().await;
    copies.insert(5, copies[4].clone());
    assert_eq!(found(copies).await, expect(&[(6, "unchained"), (6, "doubled")]));
}

#[tokio::test]
async fn swapped_commits_are_found() {
    let (mut copies, _) = original().await;
    copies.swap(4, 5);
    assert_eq!(
        found(copies).await,
        expect(&[(5, "unchained"), (6, "unchained"), (7, "unchained")])
    );
}

#[tokio::test]
async fn lying_kinds_and_garbage_are_found() {
    let (mut copies, _) = original().await;
    copies[9].1.insert("Oi-Kinds", "DeleteCluster,ClusterDeleted");
    copies.push(("oi.events.cluster.x".to_owned(), HeaderMap::new(), b"garbage".to_vec()));
    assert_eq!(found(copies).await, expect(&[(10, "kinds"), (11, "unreadable")]));
}

#[tokio::test]
async fn replaying_beyond_the_end_is_refused_and_a_prefix_is_a_state() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let mut heads = vec![Hash::ZERO];
    for n in 1..=3 {
        let head = heads[heads.len() - 1];
        heads.push(journal.append(&commit(n, head), n - 1).await.unwrap().hash);
    }
    for to in 0..=3 {
        let state = replay(&journal, Some(to), |_, _| {}).await.unwrap();
        assert_eq!((state.position, state.head), (to, heads[to as usize]));
    }
    let error = replay(&journal, Some(4), |_, _| {}).await.unwrap_err();
    assert!(matches!(error, AuditError::Beyond { asked: 4, end: 3 }), "{error}");
}
