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
/// Longer than the test takes on a slow machine.
const LONG: Duration = Duration::from_secs(300);

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
    let mut held = Vec::new();
    // One after the other until one is refused: those that are held do not end.
    let refused = loop {
        let client = client.clone();
        requests.spawn(async move { client.request(&large(), LONG).await });
        tokio::select! {
            Some(heard) = asked.recv() => held.push(heard),
            Some(outcome) = requests.join_next() => break outcome.unwrap().unwrap(),
        }
        assert!(held.len() * SIZE <= MAY_WAIT, "{} wait", held.len());
    };
    assert!(matches!(refused, Outcome::Rejected { code: Code::Busy, .. }), "{refused:?}");
    assert!((held.len() + 1) * (SIZE + 1024) > MAY_WAIT, "only {} wait", held.len());
    // Room is given back with the answer.
    for waiting in held {
        waiting.settle(&Outcome::Committed { position: 1 }).await;
    }
    requests.spawn(async move { client.request(&large(), LONG).await });
    let heard = tokio::time::timeout(Duration::from_secs(60), asked.recv()).await;
    assert!(heard.unwrap().is_some());
}
