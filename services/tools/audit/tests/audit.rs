//! What an auditor finds out from an exported log alone.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use oi_audit::*;
use oi_domain::State;
use oi_events::*;
use oi_inspect::{TimelineStep, changes, content, rfc3339, timeline_step, unified};
use oi_journal::testing::Broker;
use oi_proto::manifest::{self, Document};
use std::ops::ControlFlow;
use support::*;

struct Exported {
    world: World,
    source: Source,
    _dir: tempfile::TempDir,
}

fn exported() -> Exported {
    let dir = tempfile::tempdir().unwrap();
    let world = story();
    let source = archive(&world.log, &dir.path().join("log.oi"));
    Exported { world, source, _dir: dir }
}

fn position(text: u64) -> Option<Moment> {
    Some(Moment::Position(text))
}

async fn at(source: &Source, to: Option<Moment>) -> State {
    replay(source, to, |_, _| {}).await.unwrap()
}

/// The position of the first commit of a command.
fn first(world: &World, kind: &str) -> u64 {
    world.log.iter().find(|r| r.commit.command.kind().name == kind).unwrap().position
}

#[tokio::test]
async fn an_archive_is_verified_and_replayed_to_the_state_that_was_live() {
    let e = exported();
    let report = verify(&e.source, &[], |_, _| {}).await.unwrap();
    assert!(report.checker.findings().is_empty(), "{:?}", report.checker.findings());
    assert_eq!(report.checker.ruled(), e.world.log.len() as u64);
    // Equal in all but the chain: the world's own commits are not stored ones.
    let live = |state: State| State { head: Hash::ZERO, ..state };
    assert_eq!(live(at(&e.source, None).await), live(e.world.state.clone()));
    let mut state = State::default();
    for recorded in &e.world.log {
        oi_domain::apply(&mut state, recorded);
        let replayed = at(&e.source, position(recorded.position)).await;
        assert_eq!(live(replayed), live(state.clone()), "position {}", recorded.position);
    }
}

#[tokio::test]
async fn a_damaged_archive_is_refused_with_its_place() {
    let e = exported();
    let Source::Archive(path) = &e.source else { unreachable!() };
    let whole = std::fs::read(path).unwrap();
    for cut in [0, 5, 12, 40, whole.len() / 2, whole.len() - 1] {
        std::fs::write(path, &whole[..cut]).unwrap();
        let verified = verify(&e.source, &[], |_, _| {}).await;
        assert!(matches!(verified, Err(AuditError::Archive(_))), "cut at {cut}");
    }
    for at in [20, whole.len() / 2, whole.len() - 20] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(path, &damaged).unwrap();
        let clean = verify(&e.source, &[], |_, _| {}).await;
        assert!(clean.is_err() || !clean.unwrap().checker.findings().is_empty());
    }
}

#[tokio::test]
async fn a_log_that_comes_back_from_an_archive_is_the_same() {
    let e = exported();
    let broker = Broker::start();
    let journal = broker.journal().await;
    journal.importer().import(&stored(&e.world.log)).await.unwrap();
    let there = Source::from(journal.log());
    let (a, b) = (at(&e.source, None).await, at(&there, None).await);
    assert_eq!(a, b);
    let report = verify(&there, &[], |_, _| {}).await.unwrap();
    assert!(report.checker.findings().is_empty());
    assert_eq!(report.checker.head(), a.head);
}

/// All messages of a broker's log.
async fn messages(broker: &Broker) -> Vec<(u64, String, Vec<u8>)> {
    let client = async_nats::connect(broker.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("OI_EVENTS").await.unwrap();
    let mut all = Vec::new();
    while let Ok(m) = stream.get_raw_message(all.len() as u64 + 1).await {
        all.push((m.sequence, format!("{:?}", m.headers.get("Oi-Position")), m.payload.to_vec()));
    }
    all
}

#[tokio::test]
async fn a_log_of_messages_with_several_commits_is_read_at_each_position() {
    let e = exported();
    let (first, second) = (Broker::start(), Broker::start());
    let journal = first.journal().await;
    journal.importer().import(&batched(&e.world.log)).await.unwrap();
    let there = Source::from(journal.log());
    let end = e.world.log.len() as u64;
    assert_eq!(there.end().await.unwrap(), end);
    let report = verify(&there, &[], |_, _| {}).await.unwrap();
    assert!(report.checker.findings().is_empty(), "{:?}", report.checker.findings());
    assert_eq!(report.checker.position(), end);
    for position in 1..=end {
        let mut replay = journal.log().replay(position, position + 1).await.unwrap();
        assert_eq!(replay.next().await.unwrap().unwrap().position, position);
        assert_eq!(journal.log().follow(position).next().await.unwrap().position, position);
    }
    // Through an archive and back: the same messages.
    let Source::Archive(path) = &e.source else { unreachable!() };
    let other = second.journal().await;
    let mut archive = ArchiveReader::open(path).unwrap();
    for _ in 0..2 {
        while let commits @ [_, ..] = archive.next_batch(5).unwrap().as_slice() {
            other.importer().import(commits).await.unwrap();
        }
        archive = ArchiveReader::open(path).unwrap();
    }
    assert_eq!(messages(&first).await, messages(&second).await);
    assert!(messages(&first).await.len() < e.world.log.len());
}

#[tokio::test]
async fn a_changed_byte_within_a_message_of_several_is_found_where_it_is() {
    let e = exported();
    let (first, second) = (Broker::start(), Broker::start());
    first.journal().await.importer().import(&batched(&e.world.log)).await.unwrap();
    let journal = second.journal().await;
    let client = async_nats::connect(first.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("OI_EVENTS").await.unwrap();
    let to = async_nats::jetstream::new(async_nats::connect(second.url()).await.unwrap());
    for n in 1..=messages(&first).await.len() as u64 {
        let m = stream.get_raw_message(n).await.unwrap();
        let mut body = m.payload.to_vec();
        if n == 7 {
            *body.last_mut().unwrap() ^= 1;
        }
        let mut headers = async_nats::HeaderMap::new();
        for (name, values) in m.headers.iter().filter(|(n, _)| !n.to_string().starts_with("Nats-"))
        {
            headers.insert(name.clone(), values[0].clone());
        }
        to.publish_with_headers(m.subject, headers, body.into()).await.unwrap().await.unwrap();
    }
    let report = verify(&Source::from(journal.log()), &[], |_, _| {}).await.unwrap();
    // Message 7 holds 11 to 13, and its last byte belongs to the last of them.
    assert_eq!(report.checker.findings()[0].position, 13);
}

#[tokio::test]
async fn a_time_is_a_moment_too() {
    let e = exported();
    let (third, time) = (&e.world.log[2], e.world.log[2].commit.header.time_ms);
    let last = e.world.log.iter().rfind(|r| r.commit.header.time_ms == time).unwrap();
    let moment: Moment = rfc3339(time).parse().unwrap();
    assert_eq!(at(&e.source, Some(moment)).await.position, last.position);
    assert_eq!(at(&e.source, Some(Moment::Time(time - 1))).await.position, 0);
    assert!(third.position <= last.position);
    for nonsense in ["", "yesterday", "2026-11-21 09:00", "-1"] {
        assert!(nonsense.parse::<Moment>().is_err(), "{nonsense}");
    }
}

#[tokio::test]
async fn a_state_is_printed_as_documents_that_are_read_back() {
    let e = exported();
    let state = at(&e.source, position(first(&e.world, "DeleteCluster") - 1)).await;
    let all = documents(&state, None);
    assert_eq!(manifest::read(&manifest::write(&all).unwrap()).unwrap(), all);
    let names = |documents: &[Document]| -> Vec<String> {
        let name = |d: &Document| match d {
            Document::Hypervisor(m, _) | Document::Cluster(m, _) | Document::Node(m, _) => {
                m.name.clone()
            }
        };
        documents.iter().map(name).collect()
    };
    let one = documents(&state, Some(&name("test")));
    assert_eq!(names(&one), ["test", "cp-1", "lb-1", "cp-3"]);
    assert_eq!(all.len(), 3 + one.len() + 3);
    // What is being deleted is not declared any more.
    let state = at(&e.source, position(first(&e.world, "DeleteCluster"))).await;
    assert!(documents(&state, Some(&name("other"))).is_empty());
}

#[tokio::test]
async fn a_difference_names_the_places() {
    let e = exported();
    let removal = first(&e.world, "RemoveNode");
    let before = content(&at(&e.source, position(removal - 1)).await).unwrap();
    let after = content(&at(&e.source, position(removal)).await).unwrap();
    let found = changes(&before, &after);
    let removing = found.iter().find(|c| c.path == "clusters/test/nodes/cp-2/removing").unwrap();
    assert_eq!(removing.after, Some(true.into()));
    // The ingress is to forget it.
    let places = ["clusters/test/nodes/cp-2/", "clusters/test/nodes/lb-1/"];
    assert!(found.iter().all(|c| places.iter().any(|p| c.path.starts_with(p))), "{found:?}");
    let yaml = |v| serde_yaml_ng::to_string(v).unwrap();
    let text = unified(("a", &yaml(&before)), ("b", &yaml(&after)), false);
    assert!(text.contains("\n+") && text.contains("\n-") && !text.contains('\x1b'), "{text}");
    assert!(unified(("a", "x\n"), ("b", "x\n"), true).is_empty());
    // No raw key material, not even sealed, is shown.
    assert!(!yaml(&before).contains("sealed: \n") && !yaml(&before).contains("- 115"));
}

#[tokio::test]
async fn a_condition_tells_when_it_first_holds() {
    let e = exported();
    let condition =
        Condition::parse("state.clusters.test.nodes.size() == 4 && 'other' in state.clusters");
    let condition = condition.unwrap();
    let mut first_held = None;
    fold(&e.source, None, |state, _, _| {
        if condition.holds(state).unwrap() {
            first_held = Some(state.position);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })
    .await
    .unwrap();
    let created = e.world.log.iter().filter_map(|r| match &r.commit.command {
        Command::Cluster(ClusterCommand::CreateCluster(c)) if c.name.as_str() == "other" => {
            Some(r.position)
        }
        _ => None,
    });
    assert_eq!(first_held, created.max());
    assert!(Condition::parse("state.(").is_err());
    let number = Condition::parse("1 + 1").unwrap();
    assert!(matches!(number.holds(&State::default()), Err(ExpressionError::NotBoolean { .. })));
    // What is not there makes it false, what never can be there is a mistake.
    for absent in ["state.clusters.x.phase == 'Ready'", "state.raised.x == 1"] {
        assert!(!Condition::parse(absent).unwrap().holds(&State::default()).unwrap(), "{absent}");
    }
    let mistaken = Condition::parse("stat.clusters.size() == 1").unwrap();
    assert!(matches!(mistaken.holds(&State::default()), Err(ExpressionError::Failed { .. })));
}

#[test]
fn a_condition_is_about_tunnels_too() {
    let mut world = World::with_tunnel();
    let linked = Condition::parse("'worker/one' in state.clusters.test.tunnel.peers").unwrap();
    assert!(!linked.holds(&world.state).unwrap());
    world.run(link("one", 7));
    assert!(linked.holds(&world.state).unwrap());
}

#[tokio::test]
async fn each_commit_leads_back_to_an_order() {
    let e = exported();
    let mut causes = Causes::default();
    let state = fold(&e.source, None, |state, recorded, _| {
        causes.take(state, recorded);
        ControlFlow::Continue(())
    })
    .await
    .unwrap();
    for recorded in &e.world.log {
        let chain = causes.chain(recorded.position);
        let (last, cause) = chain.last().unwrap();
        let command = e.world.log[*last as usize - 1].commit.command.kind().name;
        assert!(
            *cause == Cause::Asked || command == "ReportObservation",
            "{} is explained by {command}",
            recorded.position
        );
        let job = matches!(recorded.commit.command, Command::Job(JobCommand::ReportJob(_)));
        assert_eq!(job, chain.len() > 1, "position {}", recorded.position);
    }
    // cp-3 was added by one command, and has not changed since.
    let added = Causes::find(&state, "test/cp-3").unwrap();
    assert_eq!(e.world.log[added as usize - 1].commit.command.kind().name, "AddNode");
    assert_eq!(Causes::find(&state, &format!("node.test.cp-3.{added}.etcd")), Some(added));
    assert_eq!(Causes::find(&state, "nothing/here"), None);
}

#[tokio::test]
async fn a_timeline_has_the_jobs_with_their_length() {
    let e = exported();
    let steps: Vec<TimelineStep> =
        e.world.log.iter().filter_map(|r| timeline_step(r, "other")).collect();
    assert_eq!(steps.first().unwrap().what, "CreateCluster");
    let jobs: Vec<_> = steps.iter().filter(|s| s.what.starts_with("node.other.")).collect();
    assert_eq!(jobs.len(), 5, "{jobs:?}");
    assert!(jobs.iter().all(|s| s.took_ms == 5));
}

/// What these rules decide for each command of a log.
async fn decided(e: &Exported) -> Vec<Decision> {
    let mut all = Vec::new();
    decisions(&e.source, None, |decision, _| {
        all.push(decision);
        ControlFlow::Continue(())
    })
    .await
    .unwrap();
    all
}

fn decision_of<'a>(decisions: &'a [Decision], command: &str) -> &'a Decision {
    decisions.iter().find(|d| d.command == command).unwrap()
}

/// What a release prints that knows kinds by other names and has another digest only.
fn older(decision: &Decision) -> Decision {
    let mut json = serde_json::to_value(decision).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.remove("events");
    fields.insert("command".to_owned(), "AnOldName".into());
    fields.insert("clusters".to_owned(), Vec::<String>::new().into());
    let outcome: Vec<String> = decision.outcome.iter().map(|line| format!("Old: {line}")).collect();
    fields.insert("outcome".to_owned(), outcome.into());
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn the_same_rules_decide_the_same() {
    let e = exported();
    let ours = decided(&e).await;
    assert_eq!(ours.len(), e.world.log.len());
    for (decision, recorded) in ours.iter().zip(&e.world.log) {
        assert_eq!(decision.outcome.len(), recorded.commit.events.len());
        assert_eq!(differences(decision, decision), None);
    }
    let owed: usize = ours.iter().map(|d| d.jobs.len()).sum();
    let done = e.world.log.iter().filter(|r| r.commit.command.kind().name == "ReportJob").count();
    assert_eq!(owed, done, "each job that was owed was done once");
}

#[tokio::test]
async fn an_older_release_with_other_names_and_other_prose_decides_the_same() {
    for decision in decided(&exported()).await {
        let older = older(&decision);
        assert_ne!(older, decision);
        assert_eq!(differences(&decision, &older), None);
        assert_eq!(differences(&older, &decision), None);
    }
}

#[tokio::test]
async fn what_is_decided_differently_is_named() {
    let ours = decided(&exported()).await;
    let added = decision_of(&ours, "AddNode");
    // Another release would put a node elsewhere.
    let mut other = added.clone();
    other.outcome[0] = other.outcome[0].replace("hv-0", "hv-1");
    other.events = decision_of(&ours, "RemoveNode").events.clone();
    let difference = differences(added, &other).unwrap();
    assert!(difference.here[0].contains("hv-0") && difference.there[0].contains("hv-1"));
    assert_eq!(difference.clusters.iter().collect::<Vec<_>>(), ["test"]);
    // The same in words, and another in bytes.
    let other = Decision { outcome: added.outcome.clone(), ..other };
    let difference = differences(added, &other).unwrap();
    assert!(difference.here[0].starts_with("other details of NodeAdded"), "{difference:?}");
    // Of an older release only the bytes are known.
    let other = Decision { digest: String::new(), ..older(added) };
    assert!(differences(added, &other).is_some());
}

#[tokio::test]
async fn a_refusal_is_another_decision_than_no_event() {
    let ours = decided(&exported()).await;
    let added = decision_of(&ours, "AddNode");
    assert!(!added.is_refused());
    let nothing = Hash::of(&[b"oi/decision/v1", b""]).to_string();
    let unchanged =
        Decision { outcome: Vec::new(), digest: nothing, events: None, ..added.clone() };
    let refused = Decision { outcome: vec!["refused: no room".to_owned()], ..unchanged.clone() };
    let reworded = Decision { outcome: vec!["refused: no place".to_owned()], ..unchanged.clone() };
    assert!(refused.is_refused() && !unchanged.is_refused());
    assert_eq!(differences(&refused, &reworded), None);
    let difference = differences(&unchanged, &refused).unwrap();
    assert_eq!(difference.there, ["refused: no room"]);
    assert!(differences(added, &refused).is_some());
}

#[tokio::test]
async fn jobs_that_differ_are_named_without_prose() {
    let ours = decided(&exported()).await;
    let added = decision_of(&ours, "AddNode");
    let job = added.jobs.first().unwrap().clone();
    let other = Decision { jobs: Default::default(), ..older(added) };
    let difference = differences(added, &other).unwrap();
    assert!(difference.jobs_here.contains(&job) && difference.jobs_there.is_empty());
    assert!(difference.here.is_empty() && difference.there.is_empty(), "{difference:?}");
}
