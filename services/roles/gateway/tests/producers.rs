//! Producers do not wait for each other.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use futures::StreamExt;
use oi_journal::testing::Broker;
use oi_proto::v1::{self, submit_request::Command};
use oi_view::View;
use prost::Message;
use std::time::Duration;

fn cordon() -> Vec<u8> {
    let cordon = v1::CordonHypervisor { name: "hv-1".to_owned(), cordoned: true };
    let request = v1::SubmitRequest {
        command_id: uuid::Uuid::now_v7().to_string(),
        command: Some(Command::CordonHypervisor(cordon)),
        ..v1::SubmitRequest::default()
    };
    request.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_commands_wait_holds_up_no_other() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    // No decider is there: what is well-formed waits.
    support::serve(&journal, view);

    let client = async_nats::connect(broker.url()).await.unwrap();
    let context = async_nats::jetstream::new(client.clone());
    for _ in 0..200 {
        let stored = context.publish("oi.submit.admin.busy", cordon().into()).await.unwrap();
        stored.await.unwrap();
    }
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Oi-Reply-To", inbox.as_str());
    let sent = context.publish_with_headers("oi.submit.admin.other", headers, "junk".into()).await;
    sent.unwrap().await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), answers.next()).await;
    let outcome = v1::CommandOutcome::decode(answer.unwrap().unwrap().payload).unwrap();
    let Some(v1::command_outcome::Outcome::Rejected(refused)) = outcome.outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refused.code, "malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_stop_takes_nobodys_room() {
    let broker = Broker::start();
    let _journal = broker.journal().await;
    let client = async_nats::connect(broker.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let send = async |subject: &'static str| {
        context.publish(subject, "x".into()).await.unwrap().await.map(drop)
    };
    for _ in 0..1000 {
        send("oi.submit.admin.busy").await.unwrap();
    }
    send("oi.submit.admin.busy").await.unwrap_err();
    send("oi.submit.admin.other").await.unwrap();
    send("oi.submit.operator.acme.busy").await.unwrap();
}
