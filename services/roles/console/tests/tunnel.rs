//! The page shows a cluster with a tunnel as any other.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../../core/domain/tests/support/mod.rs"]
mod world;

use oi_console::{History, listen, serve};
use oi_events::*;
use oi_journal::Journal;
use oi_journal::testing::{Broker, free_port};
use oi_view::View;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use world::*;

/// The log of a world, and its view.
async fn store(world: &World, journal: &Journal) -> View {
    let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
    let mut previous = Hash::ZERO;
    for recorded in &world.log {
        let header = CommitHeader { previous, ..recorded.commit.header.clone() };
        let commit = Commit { header, ..recorded.commit.clone() };
        let stored = journal.appender().append(&commit, recorded.position - 1).await.unwrap();
        previous = stored.hash;
        view.fold(stored).unwrap();
    }
    view
}

async fn get(port: u16, path: &str) -> Value {
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{answer}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_link_is_shown() {
    let mut world = World::with_tunnel();
    world.run(link("one", 7));
    let end = world.state.position;
    let broker = Broker::start();
    let journal = broker.journal().await;
    let view = store(&world, &journal).await;
    let (port, stop) = (free_port(), CancellationToken::new());
    let history = History::new(journal.log(), view);
    let listener = listen(([127, 0, 0, 1], port).into()).await.unwrap();
    tokio::spawn(serve(listener, history, stop));

    let now = get(port, "/api/state").await;
    let peers = &now["state"]["clusters"]["test"]["tunnel"]["peers"];
    assert_eq!(peers["worker/one"]["address"], "10.254.0.3", "{now}");
    let difference = get(port, &format!("/api/diff?a={}&b={end}&cluster=test", end - 1)).await;
    let link = "tunnel/peers/worker/one";
    assert!(
        difference["changes"].as_array().unwrap().iter().any(|c| c["path"] == link),
        "{difference}"
    );
}
