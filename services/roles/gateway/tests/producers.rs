//! Producers do not wait for each other.
#![allow(clippy::unwrap_used, missing_docs)]

use futures::StreamExt;
use oi_gateway::{Gateway, GatewayHandles};
use oi_journal::testing::{Broker, free_port};
use oi_keyring::Keys;
use oi_pki::KeyEncryptionKey;
use oi_proto::v1::{self, submit_request::Command};
use oi_view::View;
use prost::Message;
use std::sync::Arc;
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
    let dir = tempfile::tempdir().unwrap();
    let key = KeyEncryptionKey::load_or_create(&dir.path().join("kek")).unwrap();
    let keys = Keys::new(journal.key_store(), Arc::new(key));
    let handles = GatewayHandles {
        log: journal.log(),
        commands: journal.command_client(),
        submissions: journal.submissions(),
        rejections: journal.rejections(),
        feed: journal.feed(),
        keyring: keys.keyring(),
    };
    // No decider is there: what is well-formed waits.
    let gateway = Gateway::new(handles, view, "test");
    let address = ([127, 0, 0, 1], free_port()).into();
    tokio::spawn(gateway.serve(address, None, std::future::pending()));

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
