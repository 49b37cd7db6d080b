//! A view is of one log: what does not follow from it is not folded.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_domain::{STATE_SCHEMA, State};
use oi_events::*;
use oi_journal::testing::{Broker, first_commit};
use oi_journal::{Entry, Journal};
use oi_view::{KnownError, KnownLog, View, ViewError};
use std::time::{Duration, Instant};

fn first() -> Commit {
    first_commit(RaiseFeatureLevelV1 { level: 1 }, vec![FeatureLevelRaisedV1 { level: 1 }.into()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_follow_is_refused_and_says_what_to_do() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    let stored = journal.appender().append(&first(), 0).await.unwrap();
    let mut other = stored.clone();
    other.commit.header.previous = Hash::of(&[b"another log"]);
    let error = view.fold(other).unwrap_err();
    assert!(matches!(error, ViewError::Unchained { position: 1 }), "{error}");
    assert!(error.to_string().contains("docs/broker.md"), "{error}");
    assert_eq!(view.position(), 0);
    view.fold(stored).unwrap();
    assert_eq!(view.position(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_log_that_ends_where_this_one_does_is_not_used() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let stored = journal.appender().append(&first(), 0).await.unwrap();
    let head = Hash::of(&[b"another log"]);
    let other = to_bytes(&State { position: 1, head, ..State::default() }).unwrap();
    journal.snapshots().put(STATE_SCHEMA, 1, other).await.unwrap();
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    assert_eq!(view.read(|s| (s.position, s.head)), (1, stored.hash));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_before_its_snapshot_is_refused_as_shorter() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    journal.appender().append(&first(), 0).await.unwrap();
    let later = to_bytes(&State { position: 2, ..State::default() }).unwrap();
    journal.snapshots().put(STATE_SCHEMA, 2, later).await.unwrap();
    let error = View::load(&journal.log(), &journal.snapshots()).await.err().unwrap();
    assert!(matches!(error, ViewError::Shorter { end: 1, position: 2 }), "{error}");
    assert!(error.is_another_log() && error.to_string().contains("docs/broker.md"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_the_one_known_before_the_restart_is_refused() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    journal.appender().append(&first(), 0).await.unwrap();
    let log = journal.log();
    let view = View::load(&log, &journal.snapshots()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(KnownLog::load(directory.path()).unwrap(), None, "a new machine knows none");
    KnownLog::of(&view, log.created().await.unwrap()).store(directory.path()).unwrap();
    let known = KnownLog::load(directory.path()).unwrap().unwrap();
    known.check(&log).await.unwrap();
    let others = [
        KnownLog { created: "another time".to_owned(), ..known.clone() },
        KnownLog { position: 2, ..known.clone() },
        KnownLog { head: Hash::of(&[b"another log"]), ..known },
    ];
    for other in others {
        let error = other.check(&log).await.unwrap_err();
        assert!(
            error.is_another_log() && oi_events::chain(&error).contains("docs/broker.md"),
            "{error}"
        );
    }
    std::fs::write(directory.path().join("known-log.json"), "{").unwrap();
    assert!(matches!(KnownLog::load(directory.path()), Err(KnownError::Damaged(..))));
}

/// What is known of a log with one commit.
async fn known_first(journal: &Journal) -> KnownLog {
    let stored = Entry::new(first()).unwrap().recorded(1);
    let created = journal.log().created().await.unwrap();
    KnownLog { created, position: stored.position, head: stored.hash }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_where_the_log_is_shorter_only_for_a_while() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let known = known_first(&journal).await;
    let (log, snapshots) = (journal.log(), journal.snapshots());
    let opening = tokio::spawn({
        let known = known.clone();
        async move { oi_view::open(&log, &snapshots, Some(&known)).await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!opening.is_finished(), "the broker may not know all of it yet");
    journal.appender().append(&first(), 0).await.unwrap();
    let (view, created) = opening.await.unwrap().unwrap();
    assert_eq!(KnownLog::of(&view, created), known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_stays_shorter_is_another_one() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let known = known_first(&journal).await;
    let begin = Instant::now();
    let opened = oi_view::open(&journal.log(), &journal.snapshots(), Some(&known)).await;
    let error = opened.err().unwrap();
    assert!(matches!(error, ViewError::Shorter { end: 0, position: 1 }), "{error}");
    assert!(begin.elapsed() >= Duration::from_secs(15));
}

#[test]
fn a_full_disk_stops_no_server_and_a_directory_that_is_not_there_does() {
    let known = KnownLog { created: "now".to_owned(), position: 1, head: Hash::ZERO };
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let gone = known.store_where_room(&directory.join("gone")).unwrap_err();
    assert!(matches!(gone, KnownError::Write(..)), "{gone}");
    // What is written to this finds no room.
    let new = directory.join(format!("known-log.json.{}", std::process::id()));
    std::os::unix::fs::symlink("/dev/full", new).unwrap();
    assert!(matches!(known.store(directory), Err(KnownError::Write(..))));
    known.store_where_room(directory).unwrap();
    assert_eq!(KnownLog::load(directory).unwrap(), None);
}
