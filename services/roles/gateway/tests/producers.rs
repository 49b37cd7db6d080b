//! Producers do not wait for each other.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use futures::StreamExt;
use oi_events::{
    ClusterCreatedV1, ClusterName, ClusterSpec, ClusterUid, CommandId, Commit, RecordedCommit,
    SetTenantV1, TenantSetV1,
};
use oi_journal::testing::{Broker, first_commit};
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

/// A tenant's cluster, and what gives it to another one.
fn set_tenant(tenant: &str) -> (SetTenantV1, TenantSetV1) {
    let cluster: ClusterName = "acme-blue".parse().unwrap();
    let tenant = Some(tenant.parse().unwrap());
    let set = SetTenantV1 { cluster: cluster.clone(), tenant: tenant.clone() };
    (set, TenantSetV1 { cluster, tenant })
}

fn created() -> Commit {
    let spec = ClusterSpec {
        kubernetes_version: "v1.36.3".parse().unwrap(),
        pod_cidr: String::new(),
        service_cidr: String::new(),
        dns_domain: String::new(),
        extra_sans: Vec::new(),
    };
    let (uid, credentials) = (ClusterUid(uuid::Uuid::from_u128(7)), Vec::new());
    let created = ClusterCreatedV1 { name: "acme-blue".parse().unwrap(), uid, spec, credentials };
    let (command, set) = set_tenant("acme");
    first_commit(command, vec![created.into(), set.into()])
}

fn given_away(before: &RecordedCommit) -> Commit {
    let (command, set) = set_tenant("other");
    let mut commit = first_commit(command, vec![set.into()]);
    commit.header.command_id = CommandId(uuid::Uuid::from_u128(2));
    commit.header.previous = before.hash;
    commit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_behind_does_not_judge_a_tenant_by_what_was() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    support::serve(&journal, view.clone());
    // Another gateway had this decided; the view here is not kept.
    let appender = journal.appender();
    let first = appender.append(&created(), 0).await.unwrap();
    let second = appender.append(&given_away(&first), 1).await.unwrap();
    view.fold(first).unwrap();

    let client = async_nats::connect(broker.url()).await.unwrap();
    let context = async_nats::jetstream::new(client.clone());
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    let mut asked = client.subscribe("oi.decide").await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Oi-Reply-To", inbox.as_str());
    let clone = v1::CloneCluster {
        name: "acme-copy".to_owned(),
        source: "acme-blue".to_owned(),
        backup: uuid::Uuid::nil().to_string(),
    };
    let request = v1::SubmitRequest {
        command_id: uuid::Uuid::now_v7().to_string(),
        command: Some(Command::CloneCluster(clone)),
        ..v1::SubmitRequest::default()
    };
    let subject = "oi.submit.operator.acme.bot";
    let sent = context.publish_with_headers(subject, headers, request.encode_to_vec().into()).await;
    sent.unwrap().await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(1), answers.next()).await;
    assert!(early.is_err(), "answered before it knows");
    view.fold(second).unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(5), answers.next()).await;
    let outcome = v1::CommandOutcome::decode(answer.unwrap().unwrap().payload).unwrap();
    let Some(v1::command_outcome::Outcome::Rejected(refused)) = outcome.outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refused.code, "forbidden");
    let decided = tokio::time::timeout(Duration::from_millis(200), asked.next()).await;
    assert!(decided.is_err(), "a decider was asked");
}
