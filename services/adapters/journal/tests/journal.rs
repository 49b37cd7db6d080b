//! The journal against a real nats-server.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use oi_events::*;
use oi_journal::testing::{Broker, free_port};
use oi_journal::{AppendError, Appender, Enqueued, Entry, Journal, SetupError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

fn commit(n: u128, previous: Hash) -> Commit {
    let id = CommandId(Uuid::from_u128(n));
    Commit {
        header: CommitHeader {
            command_id: id,
            correlation: id,
            actor: "tests".to_owned(),
            time_ms: 1_790_000_000_000,
            previous,
        },
        command: Command::Cluster(ClusterCommand::DeleteCluster(DeleteClusterV2 {
            name: "a".parse().unwrap(),
            forget_orphans: false,
        })),
        events: vec![
            ClusterDeletionStartedV2 {
                forget_orphans: false,
                name: "a".parse().unwrap(),
                generation: Generation(n as u64),
            }
            .into(),
        ],
    }
}

fn envelope(n: u128) -> CommandEnvelope {
    let commit = commit(n, Hash::ZERO);
    CommandEnvelope::new(commit.header.command_id, "tests", 1, commit.command)
}

fn job(id: &str) -> Job {
    Job {
        id: JobId(id.to_owned()),
        kind: JobKind::ProbeHypervisor,
        hypervisor: None,
        cluster: None,
        cluster_uid: None,
        node: None,
        generation: Generation(1),
    }
}

async fn fill(appender: &Appender, from: u64, count: u64) {
    for n in from..from + count {
        appender.append(&commit(u128::from(n) + 1, Hash::ZERO), n).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_appended_is_replayed_with_the_same_hashes() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let mut previous = Hash::ZERO;
    let mut written = Vec::new();
    for n in 0..50_u64 {
        let recorded =
            journal.appender().append(&commit(u128::from(n) + 1, previous), n).await.unwrap();
        assert_eq!(recorded.position, n + 1);
        previous = recorded.hash;
        written.push(recorded);
    }
    let end = journal.log().last_position().await.unwrap();
    let mut replay = journal.log().replay(1, end).await.unwrap();
    let mut read = Vec::new();
    while let Some(recorded) = replay.next().await.unwrap() {
        read.push(recorded);
    }
    assert_eq!(read, written);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_one_wins_a_position() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let writers = (1..=64_u128).map(|n| {
        let journal = journal.clone();
        tokio::spawn(async move { journal.appender().append(&commit(n, Hash::ZERO), 0).await })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        match writer.await.unwrap() {
            Ok(_) => won += 1,
            Err(AppendError::Conflict { expected: 0 }) => {}
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!((won, journal.log().last_position().await.unwrap()), (1, 1));
}

/// Passes bytes on, and on demand stops passing the broker's answers.
async fn swallowing_proxy(to: String) -> (u16, tokio::sync::watch::Sender<bool>) {
    let port = free_port();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let (swallow, watch) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = tokio::net::TcpStream::connect(&to).await else { continue };
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let watch = watch.clone();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 65536];
                while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
                    if !*watch.borrow() && to_client.write_all(&buffer[..n]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (port, swallow)
}

/// A connection to a broker with three commits that does not hear it any more.
async fn unheard(broker: &Broker) -> (Journal, tokio::sync::watch::Sender<bool>) {
    let (port, swallow) = swallowing_proxy(broker.url().replace("nats://", "")).await;
    let mut config = broker.config();
    config.url = format!("nats://127.0.0.1:{port}");
    let journal = Journal::connect(config).await.unwrap();
    // It knows where the log ends.
    assert_eq!(journal.log().last_position().await.unwrap(), 3);
    swallow.send(true).unwrap();
    (journal, swallow)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_between_publish_and_acknowledgement_doubles_nothing() {
    let mut broker = Broker::start();
    fill(&broker.journal().await.appender(), 0, 3).await;
    let (journal, swallow) = unheard(&broker).await;
    let writing = tokio::spawn({
        let journal = journal.clone();
        async move { journal.appender().append(&commit(99, Hash::ZERO), 3).await }
    });
    // Stored, and the acknowledgement is on its way to nowhere.
    let direct = broker.journal().await;
    while direct.log().last_position().await.unwrap() < 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    broker.kill();
    swallow.send(false).unwrap();
    broker.restart();
    let recorded = writing.await.unwrap().unwrap();
    assert_eq!(recorded.position, 4);
    assert_eq!(broker.journal().await.log().last_position().await.unwrap(), 4);
}

/// Commits `from + 1` to `from + count`, each after the one before it.
fn chained(from: u64, count: u64, mut previous: Hash) -> Vec<Entry> {
    let one = |n: u64| {
        let entry = Entry::new(commit(u128::from(n), previous)).unwrap();
        previous = entry.hash();
        entry
    };
    (from + 1..=from + count).map(one).collect()
}

#[tokio::test]
async fn commits_of_one_message_have_positions_of_their_own() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let (mut end, mut head) = (0, Hash::ZERO);
    for count in [1, 5, 1, 1, 7, 2] {
        let entries = chained(end, count, head);
        journal.appender().append_all(&entries, end).await.unwrap();
        let again = journal.appender().append_all(&entries, end).await;
        assert!(matches!(again, Err(AppendError::Conflict { .. })), "it knows the end by now");
        (end, head) = (end + count, entries.last().unwrap().hash());
    }
    let fresh = broker.journal().await;
    assert_eq!(fresh.log().last_position().await.unwrap(), 17);
    for from in 1..=17 {
        let mut replay = fresh.log().replay(from, 17).await.unwrap();
        let mut follower = fresh.log().follow(from);
        for position in from..=17 {
            let read = replay.next().await.unwrap().unwrap();
            assert_eq!(read.commit.header.command_id.0.as_u128(), u128::from(position));
            assert_eq!((read.position, &read), (position, &follower.next().await.unwrap()));
        }
        assert!(replay.next().await.unwrap().is_none());
    }
    // A single commit after them stands at the right place, too.
    let recorded = fresh.appender().append(&commit(18, head), 17).await.unwrap();
    assert_eq!(recorded.position, 18);
    assert_eq!(fresh.log().last_position().await.unwrap(), 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_amid_several_commits_stores_all_of_them_once_or_none() {
    let mut broker = Broker::start();
    fill(&broker.journal().await.appender(), 0, 3).await;
    let (journal, swallow) = unheard(&broker).await;
    let writing = tokio::spawn({
        let journal = journal.clone();
        async move { journal.appender().append_all(&chained(98, 20, Hash::ZERO), 3).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    broker.kill();
    swallow.send(false).unwrap();
    broker.restart();
    writing.await.unwrap().unwrap();
    assert_eq!(broker.journal().await.log().last_position().await.unwrap(), 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_heard_by_a_decider_and_stored_where_there_is_none() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let asking = {
        let journal = journal.clone();
        tokio::spawn(async move {
            journal.command_client().request(&envelope(9), Duration::from_secs(20)).await
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (sender, mut asked) = tokio::sync::mpsc::channel(1);
    let taking = tokio::spawn(journal.command_inbox().take_commands(sender));
    let first = asked.recv().await.unwrap();
    assert_eq!(first.envelope, envelope(9));
    first.settle(&Outcome::Committed { position: 1 }).await;
    assert_eq!(asking.await.unwrap().unwrap(), Outcome::Committed { position: 1 });
    // Directly now. The second waits, and there is no room for the third.
    let ask = |n| {
        let journal = journal.clone();
        tokio::spawn(async move {
            journal.command_client().request(&envelope(n), Duration::from_secs(20)).await
        })
    };
    let second = ask(10);
    tokio::time::sleep(Duration::from_millis(200)).await;
    match ask(11).await.unwrap().unwrap() {
        Outcome::Rejected { code, .. } => assert_eq!(code, Code::Busy),
        other => panic!("{other:?}"),
    }
    asked.recv().await.unwrap().settle(&Outcome::Unchanged { position: 1 }).await;
    assert_eq!(second.await.unwrap().unwrap(), Outcome::Unchanged { position: 1 });
    taking.abort();
}

#[tokio::test]
async fn a_changed_stream_is_refused_and_left_alone() {
    let broker = Broker::start();
    let journal = Journal::connect(broker.config()).await.unwrap();
    let client = async_nats::connect(broker.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let other = async_nats::jetstream::stream::Config {
        name: "OI_EVENTS".to_owned(),
        subjects: vec!["oi.events.>".to_owned()],
        max_age: Duration::from_secs(60),
        ..Default::default()
    };
    context.create_stream(other).await.unwrap();
    match journal.ensure_streams().await {
        Err(e @ SetupError::Drift { .. }) => {
            let text = e.to_string();
            assert!(text.contains("OI_EVENTS") && text.contains("max_age"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let live = context.get_stream("OI_EVENTS").await.unwrap();
    assert_eq!(live.cached_info().config.max_age, Duration::from_secs(60));
}

#[tokio::test]
async fn setting_up_twice_changes_nothing() {
    let broker = Broker::start();
    broker.journal().await.ensure_streams().await.unwrap();
    broker.journal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_misses_and_doubles_nothing_across_a_restart() {
    let mut broker = Broker::start();
    let journal = broker.journal().await;
    let mut follower = journal.log().follow(1);
    let reader = tokio::spawn(async move {
        let mut positions = Vec::new();
        while positions.len() < 40 {
            positions.push(follower.next().await.unwrap().position);
        }
        positions
    });
    fill(&journal.appender(), 0, 20).await;
    broker.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    broker.restart();
    fill(&journal.appender(), 20, 20).await;
    let positions = tokio::time::timeout(Duration::from_secs(20), reader).await.unwrap().unwrap();
    assert_eq!(positions, (1..=40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_queued_once_and_comes_again_until_it_is_acknowledged() {
    let broker = Broker::start();
    let mut config = broker.config();
    config.job_ack_wait = Duration::from_secs(1);
    let journal = Journal::connect(config).await.unwrap();
    journal.ensure_streams().await.unwrap();
    assert_eq!(
        journal.job_queue().enqueue(&job("hypervisor.a.1.probe")).await.unwrap(),
        Enqueued::Queued
    );
    let again = journal.job_queue().enqueue(&job("hypervisor.a.1.probe")).await.unwrap();
    assert_eq!(again, Enqueued::AlreadyQueued);
    let mut jobs = journal.job_inbox().queue();
    drop(jobs.next().await);
    let second = jobs.next().await;
    assert_eq!((second.value.id.0.as_str(), second.attempt), ("hypervisor.a.1.probe", 2));
    second.nak(Duration::from_millis(200)).await.unwrap();
    let third = jobs.next().await;
    assert_eq!(third.attempt, 3);
    third.ack().await.unwrap();
    assert_eq!(
        journal.job_queue().enqueue(&job("hypervisor.a.1.probe")).await.unwrap(),
        Enqueued::Queued
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_among_the_commands_blocks_nothing() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let client = async_nats::connect(broker.url()).await.unwrap();
    for junk in ["", "junk"] {
        client.request("oi.commands.Junk", junk.into()).await.unwrap();
    }
    journal.command_outbox().submit(&envelope(7)).await.unwrap();
    let got = journal.command_inbox().queue().next().await;
    assert_eq!(got.value, envelope(7));
    got.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_asked_for_again() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let decider = journal.command_inbox();
    tokio::spawn(async move {
        let mut commands = decider.queue();
        // The first time it dies before it answers.
        commands.next().await.ack().await.unwrap();
        let second = commands.next().await;
        decider.answer(second.value.id, &Outcome::Committed { position: 5 }).await.unwrap();
        second.ack().await.unwrap();
    });
    let outcome =
        journal.command_client().request(&envelope(9), Duration::from_secs(10)).await.unwrap();
    assert_eq!(outcome, Outcome::Committed { position: 5 });
}

#[tokio::test]
async fn a_line_break_in_an_actor_is_refused_before_it_is_sent() {
    let broker = Broker::start();
    let journal = broker.journal().await;
    let mut bad = envelope(3);
    bad.actor = "me\r\nOi-Actor: you".to_owned();
    assert!(journal.command_outbox().submit(&bad).await.is_err());
}

#[tokio::test]
async fn a_destroyed_key_leaves_no_trace_on_disk() {
    let mut broker = Broker::start();
    let journal = broker.journal().await;
    let uid = ClusterUid(Uuid::from_u128(5));
    let keys = journal.key_store();
    let first = keys.put_if_absent(uid, b"CANARY-wrapped-key".to_vec()).await.unwrap();
    let second = keys.put_if_absent(uid, b"another".to_vec()).await.unwrap();
    assert_eq!(first, second);
    keys.destroy(uid).await.unwrap();
    assert_eq!(keys.get(uid).await.unwrap(), None);
    broker.kill();
    assert!(!contains(&broker.store(), b"CANARY-wrapped-key"));
}

fn contains(dir: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, needle);
        }
        std::fs::read(path).unwrap().windows(needle.len()).any(|w| w == needle)
    })
}

#[tokio::test]
async fn a_snapshot_is_returned_whole_or_not_at_all() {
    let broker = Broker::start();
    let snapshots = broker.journal().await.snapshots();
    assert!(snapshots.get("s1").await.unwrap().is_none());
    snapshots.put("s1", 7, vec![3; 500_000]).await.unwrap();
    snapshots.put("s1", 8, vec![4; 500_000]).await.unwrap();
    assert_eq!(snapshots.get("s1").await.unwrap(), Some((8, vec![4; 500_000])));
    assert!(snapshots.get("s2").await.unwrap().is_none());
}
