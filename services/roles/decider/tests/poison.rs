//! What no log takes, and whom it does not stop.
#![allow(clippy::unwrap_used, missing_docs)]

use futures::future::join_all;
use oi_decider::{Decider, DeciderHandles, DeciderSettings, Metrics};
use oi_events::*;
use oi_journal::testing::Broker;
use oi_keyring::Keys;
use oi_pki::KeyEncryptionKey;
use oi_view::View;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn envelope(command: impl Into<Command>) -> CommandEnvelope {
    CommandEnvelope::new(CommandId(Uuid::now_v7()), "alice", oi_clock::now_ms(), command.into())
}

fn cluster(name: &str) -> CommandEnvelope {
    let spec = ClusterSpec {
        kubernetes_version: "v1.36.3".parse().unwrap(),
        pod_cidr: "10.244.0.0/16".to_owned(),
        service_cidr: "10.96.0.0/12".to_owned(),
        dns_domain: "cluster.local".to_owned(),
        extra_sans: Vec::new(),
    };
    envelope(CreateClusterV1 { name: name.parse().unwrap(), spec })
}

/// A command that fits into a message; with its event it does not.
fn poison(cluster: &str) -> CommandEnvelope {
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n", "A".repeat(200 * 1024));
    let issuer = |n: u8| Issuer {
        url: format!("https://{n}.example.org"),
        discovery_url: None,
        certificate_authority: Some(format!("{pem}-----END CERTIFICATE-----\n")),
        audiences: vec!["kubernetes".to_owned()],
        required_claims: Vec::new(),
        username: ClaimMapping { claim: "sub".to_owned(), prefix: "id:".to_owned() },
        groups: None,
    };
    let issuers = (0..3).map(issuer).collect();
    envelope(SetAuthenticationV1 { cluster: cluster.parse().unwrap(), issuers })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_no_log_takes_is_refused_and_holds_up_nobody() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = KeyEncryptionKey::load_or_create(&dir.path().join("kek")).unwrap();
    let keys = Keys::new(journal.key_store(), Arc::new(key));
    let handles = DeciderHandles {
        broker_clock: journal.broker_clock(),
        appender: journal.appender(),
        commands: journal.command_inbox(),
        jobs: journal.job_queue(),
        keyring: keys.keyring(),
        key_maker: keys.maker(),
    };
    let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
    let decider = Decider::new(handles, view.clone(), metrics, DeciderSettings::new("test"));
    tokio::spawn(async move { decider.run(CancellationToken::new()).await });
    let client = journal.command_client();
    let ask = |e: CommandEnvelope| {
        let client = client.clone();
        async move { client.request(&e, Duration::from_secs(20)).await.unwrap() }
    };
    let is_committed = |outcome: &Outcome| matches!(outcome, Outcome::Committed { .. });
    assert!(is_committed(&ask(cluster("first")).await));

    // One of them stored: it stays in no queue.
    let outbox = journal.command_outbox();
    outbox.submit(&poison("first")).await.unwrap();
    let asked = [poison("first"), cluster("a"), poison("first"), cluster("b"), cluster("c")];
    let outcomes = join_all(asked.map(ask)).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Rejected { code: Code::TooLarge, message } if n == 0 || n == 2 => {
                assert!(message.contains("ask for less at a time"), "{message}");
            }
            outcome => assert!(is_committed(outcome), "{n}: {outcome:?}"),
        }
    }
    assert!(is_committed(&ask(cluster("last")).await));
    let names = view.read(|s| s.clusters.keys().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(names, ["a", "b", "c", "first", "last"]);
}
