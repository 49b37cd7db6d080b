//! What a client is told, and what it sees when it then asks.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use oi_events::*;
use oi_journal::testing::{Broker, first_commit};
use oi_proto::v1::{self, oi_client::OiClient};
use oi_view::View;
use std::time::Duration;

fn commit() -> Commit {
    let name: HypervisorName = "hv-1".parse().unwrap();
    let cordoned = HypervisorCordonedV1 { name: name.clone(), cordoned: true };
    first_commit(CordonHypervisorV1 { name, cordoned: true }, vec![cordoned.into()])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_after_an_event_is_answered_with_it_folded_in() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    let port = support::serve(&journal, view.clone());
    let mut client = loop {
        match OiClient::connect(format!("http://127.0.0.1:{port}")).await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let request = v1::WatchRequest { from_position: 1, ..v1::WatchRequest::default() };
    let mut events = client.watch(request).await.unwrap().into_inner();

    // The view is not kept here: it is as far behind as can be.
    let recorded = journal.appender().append(&commit(), 0).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(500), events.message()).await;
    assert!(early.is_err(), "told before the view has it");

    view.fold(recorded.clone()).unwrap();
    assert_eq!(events.message().await.unwrap().unwrap().position, 1);
    let status = client.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.position, 1);
}
