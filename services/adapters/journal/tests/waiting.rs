//! What waits for a decision is bounded in bytes.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_events::*;
use oi_journal::testing::Broker;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

const SIZE: usize = 240 * 1024;
const MAY_WAIT: usize = 8 * 1024 * 1024;

fn large() -> CommandEnvelope {
    let command = CreateJoinTokenV2 {
        cluster: "test".parse().unwrap(),
        end: TokenEnd::At(1),
        description: "x".repeat(SIZE),
    };
    CommandEnvelope::new(CommandId(Uuid::now_v7()), "alice", 1, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_commands_are_refused_as_busy_before_they_fill_the_memory() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let (sender, mut asked) = mpsc::channel(4096);
    let inbox = journal.command_inbox();
    tokio::spawn(inbox.take_commands(sender));
    let client = journal.command_client();
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let client = client.clone();
        requests.spawn(async move { client.request(&large(), Duration::from_secs(30)).await });
    }
    // Those that there is no room for are told so at once; the others wait.
    let mut busy = 0;
    while busy < 60 - MAY_WAIT / SIZE {
        let outcome = requests.join_next().await.unwrap().unwrap().unwrap();
        assert!(matches!(outcome, Outcome::Rejected { code: Code::Busy, .. }), "{outcome:?}");
        busy += 1;
    }
    let mut held = Vec::new();
    while let Ok(asked) = asked.try_recv() {
        held.push(asked);
    }
    assert!(!held.is_empty() && held.len() * SIZE <= MAY_WAIT, "{} wait", held.len());
    // Room is given back with the answer.
    for waiting in held {
        waiting.settle(&Outcome::Committed { position: 1 }).await;
    }
    tokio::spawn(async move { client.request(&large(), Duration::from_secs(30)).await });
    let heard = tokio::time::timeout(Duration::from_secs(10), asked.recv()).await;
    assert!(heard.unwrap().is_some());
}
