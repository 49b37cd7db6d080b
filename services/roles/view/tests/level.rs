//! A server of an older release beside newer ones: it goes on until the level is raised, and
//! stops there.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_domain::FEATURE_LEVEL;
use oi_events::*;
use oi_journal::testing::{Broker, first_commit};
use oi_view::{View, ViewError};
use std::time::Duration;

/// A newer release raises the level beyond what this one knows.
fn raised() -> Commit {
    let level = FEATURE_LEVEL + 1;
    first_commit(RaiseFeatureLevelV1 { level }, vec![FeatureLevelRaisedV1 { level }.into()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_the_level_stops() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let (log, snapshots) = (journal.log(), journal.snapshots());
    let view = View::load(&log, &snapshots).await.unwrap();
    let keeping = {
        let (view, log) = (view.clone(), log.clone());
        tokio::spawn(async move { view.keep(&log, None).await })
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!keeping.is_finished(), "it runs beside the others");

    journal.appender().append(&raised(), 0).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), keeping).await.unwrap().unwrap();
    let error = ended.unwrap_err();
    assert!(matches!(error, ViewError::TooNew { level } if level == FEATURE_LEVEL + 1), "{error}");
    assert!(error.to_string().contains("upgrade it"), "{error}");
    assert!(View::load(&log, &snapshots).await.is_err(), "nor does it start again");
}
