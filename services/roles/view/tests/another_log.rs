//! A view is of one log: what does not follow from it is not folded.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_domain::{STATE_SCHEMA, State};
use oi_events::*;
use oi_journal::testing::{Broker, first_commit};
use oi_view::{View, ViewError};

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
