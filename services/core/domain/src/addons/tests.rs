//! What is kept inside of clusters, and the tokens with which machines join.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

const HOUR_MS: u64 = 3600 * 1000;

fn addons(dns: bool) -> SetAddonsV1 {
    let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns };
    SetAddonsV1 { cluster: name("test"), addons }
}

fn token(life_ms: u64) -> CreateJoinTokenV2 {
    let (cluster, end) = (name("test"), TokenEnd::After(life_ms));
    CreateJoinTokenV2 { cluster, end, description: "rack 7".to_owned() }
}

fn world() -> World {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world
}

fn only_token(world: &World) -> TokenId {
    let addons = world.cluster("test").addons.clone().unwrap();
    addons.tokens.into_keys().next().unwrap()
}

#[test]
fn what_is_to_be_kept_is_owed_until_it_is_there() {
    let mut world = world();
    assert_eq!(kinds(&world.run(addons(true))), ["AddonsSet"]);
    let job = format!("cluster.test.{}.configure", world.state.position);
    assert_eq!(world.owed(), [job.as_str()]);
    world.succeed(&job);
    assert_eq!(world.owed(), Vec::<String>::new());
    assert_eq!(world.run(addons(true)), [], "it holds already");
    world.run(addons(false));
    assert_eq!(world.owed().len(), 1, "another wish, another job");
    // A report of the first one comes late.
    assert_eq!(world.succeed(&job), []);
    assert_eq!(world.owed().len(), 1);
}

#[test]
fn nothing_is_owed_before_the_api_answers_or_while_it_does_not() {
    let mut world = World::with_hypervisors();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(cluster("test"));
    world.run(addons(true));
    assert_eq!(world.owed(), Vec::<String>::new());
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    assert!(world.owed().iter().all(|job| !job.ends_with("configure")));
    world.finish_all();
    assert!(world.cluster("test").addons.as_ref().unwrap().done);
    world.run(HibernateClusterV1 { name: name("test"), hibernated: true });
    world.run(addons(false));
    assert!(world.owed().iter().all(|job| !job.ends_with("configure")), "it sleeps");
    world.run(HibernateClusterV1 { name: name("test"), hibernated: false });
    assert!(world.owed().iter().any(|job| job.ends_with("configure")));
}

#[test]
fn another_way_to_the_api_is_told_inside() {
    let mut world = world();
    world.run(addons(true));
    world.finish_all();
    let configures = |world: &World| world.owed().iter().any(|job| job.ends_with("configure"));
    let told = |world: &World| world.state.advertised_endpoints(world.cluster("test"));
    assert_eq!(told(&world), None, "its API servers have run since before");
    world.run(node("test", "lb-2", Role::ControlPlaneIngress));
    assert!(!configures(&world));
    world.finish_all();
    // They start anew, and say it no longer.
    let before = world.cluster("test").addons.as_ref().unwrap().generation;
    world.run(HibernateClusterV1 { name: name("test"), hibernated: true });
    world.finish_all();
    world.run(HibernateClusterV1 { name: name("test"), hibernated: false });
    world.finish_all();
    assert_eq!(told(&world).map(|t| t.len()), Some(2));
    let addons = world.cluster("test").addons.clone().unwrap();
    assert!(addons.done && addons.generation > before, "so that oi had to");
    world.run(node("test", "lb-3", Role::ControlPlaneIngress));
    assert!(!configures(&world), "it does not run yet");
    let ingress = world.owed().into_iter().find(|j| j.contains("lb-3")).unwrap();
    world.succeed(&ingress);
    assert!(configures(&world), "now it does");
    world.finish_all();
    world.run(remove("test", "lb-1"));
    assert!(configures(&world), "before it is gone");
    world.finish_all();
    assert_eq!(told(&world).map(|t| t.len()), Some(2));
    assert!(world.cluster("test").addons.as_ref().unwrap().done);
}

#[test]
fn a_token_is_made_used_and_ends() {
    let mut world = world();
    let wish = token(HOUR_MS);
    assert_eq!(world.rejection(wish.clone()), "not-for-workers");
    world.run(addons(true));
    world.finish_all();
    let [Event::Addons(AddonsEvent::JoinTokenCreated(made))] = &world.run(wish)[..] else {
        panic!("no token")
    };
    assert_eq!(made.credential.name, JOIN_TOKEN);
    assert_eq!(made.token.as_str().len(), 6);
    assert_eq!(world.owed().len(), 1, "the cluster is told");
    world.finish_all();
    let token = only_token(&world);
    let revoke = RevokeJoinTokenV1 { cluster: name("test"), token };
    let [Event::Addons(AddonsEvent::JoinTokenEnded(ended))] = &world.run(revoke.clone())[..] else {
        panic!("stays")
    };
    assert!(!ended.expired);
    assert_eq!(world.rejection(revoke), "token-unknown");
    assert_eq!(world.owed().len(), 1, "the cluster is told");
}

#[test]
fn time_ends_a_token_as_a_recorded_command() {
    let mut world = world();
    world.run(addons(true));
    world.run(token(HOUR_MS));
    world.finish_all();
    assert_eq!(due(&world.state, world.now_ms), []);
    world.now_ms += HOUR_MS;
    let [command] = &due(&world.state, world.now_ms)[..] else { panic!("nothing is due") };
    let [Event::Addons(AddonsEvent::JoinTokenEnded(ended))] = &world.run(command.clone())[..]
    else {
        panic!("stays")
    };
    assert!(ended.expired);
    assert_eq!(due(&world.state, world.now_ms), []);
}

#[test]
fn a_token_lives_as_long_as_it_was_asked_for_by_the_clock_that_is_recorded() {
    let mut world = world();
    world.run(addons(true));
    let asked = world.envelope(token(HOUR_MS));
    // Whoever asks has a clock that is 20 minutes behind.
    let asked = CommandEnvelope { issued_at_ms: world.now_ms - HOUR_MS / 3, ..asked };
    let events = world.decide(&asked).unwrap();
    let [Event::Addons(AddonsEvent::JoinTokenCreated(made))] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(made.expires_ms, world.now_ms + HOUR_MS);
}

#[test]
fn tokens_that_cannot_be_are_refused() {
    let mut world = world();
    world.run(addons(true));
    let past = CreateJoinTokenV2 { end: TokenEnd::At(world.now_ms), ..token(0) };
    assert_eq!(world.rejection(past), "invalid");
    assert_eq!(world.rejection(token(31 * 24 * HOUR_MS)), "invalid");
    let long = CreateJoinTokenV2 { description: "x".repeat(201), ..token(HOUR_MS) };
    assert_eq!(world.rejection(long), "invalid");
    for _ in 0..100 {
        world.run(token(HOUR_MS));
    }
    assert_eq!(world.rejection(token(HOUR_MS)), "invalid", "a hundred are enough");
}

#[test]
fn a_description_is_as_long_as_its_characters_are_many() {
    let mut world = world();
    world.run(addons(true));
    let described =
        |letters| CreateJoinTokenV2 { description: "ж".repeat(letters), ..token(HOUR_MS) };
    assert_eq!(kinds(&world.run(described(200))), ["JoinTokenCreated"], "400 bytes");
    assert_eq!(world.rejection(described(201)), "invalid");
}

#[test]
fn a_restored_cluster_gets_the_tokens_and_add_ons_of_now() {
    let mut world = world();
    world.run(addons(true));
    world.run(token(HOUR_MS));
    world.run(BackupClusterV1 { name: name("test") });
    world.finish_all();
    // The backup has a token that is revoked by now.
    world.run(RevokeJoinTokenV1 { cluster: name("test"), token: only_token(&world) });
    world.run(addons(false));
    world.finish_all();
    let backup = *world.cluster("test").backups.keys().next().unwrap();
    world.run(RestoreClusterV1 { name: name("test"), backup });
    while world.cluster("test").restore.is_some() {
        let job = world.owed().into_iter().find(|job| !job.ends_with(".configure")).unwrap();
        world.succeed(&job);
    }
    let owed = world.owed();
    assert!(owed.iter().any(|job| job.ends_with(".configure")), "at once: {owed:?}");
    assert!(world.cluster("test").addons.as_ref().unwrap().tokens.is_empty());
}

#[test]
fn a_repair_is_recorded_if_it_is_of_the_present_state() {
    let mut world = world();
    world.run(addons(true));
    world.finish_all();
    let seen = |generation, objects: &[&str]| {
        let objects = objects.iter().map(|o| (*o).to_owned()).collect();
        let observation = Observation::DriftRepaired { cluster: name("test"), generation, objects };
        ReportObservationV1 { observation }
    };
    let now = world.cluster("test").addons.as_ref().unwrap().generation;
    assert_eq!(kinds(&world.run(seen(now, &["ConfigMap a/b"]))), ["DriftRepaired"]);
    assert_eq!(world.run(seen(now, &[])), []);
    assert_eq!(world.run(seen(Generation(1), &["ConfigMap a/b"])), []);
}

#[test]
fn a_cluster_made_of_a_backup_is_kept_as_the_other_one() {
    let mut world = world();
    world.run(addons(false));
    world.run(BackupClusterV1 { name: name("test") });
    world.finish_all();
    let backup = *world.cluster("test").backups.keys().next().unwrap();
    world.run(CloneClusterV1 { name: name("twin"), source: name("test"), backup });
    let (twin, test) = (world.cluster("twin"), world.cluster("test"));
    let kept = |c: &Cluster| c.addons.as_ref().unwrap().spec.clone();
    assert_eq!(kept(twin), kept(test));
    assert!(twin.addons.as_ref().unwrap().tokens.is_empty());
}

#[test]
fn a_new_log_begins_at_the_newest_level() {
    let world = World::new();
    let envelope = world.envelope(hypervisor(0));
    let context = |begins| Context { now_ms: world.now_ms, mint: &PlainMint(0), begins };
    let events = decide(&world.state, &envelope, &context(Some(FEATURE_LEVEL))).unwrap();
    assert_eq!(kinds(&events), ["FeatureLevelRaised", "HypervisorRegistered"]);
    let events = decide(&world.state, &envelope, &context(None)).unwrap();
    assert_eq!(kinds(&events), ["HypervisorRegistered"]);
    let mut later = World::with_hypervisors();
    let envelope = later.envelope(hypervisor(5));
    let context =
        Context { now_ms: later.now_ms, mint: &PlainMint(0), begins: Some(FEATURE_LEVEL) };
    let events = decide(&later.state, &envelope, &context).unwrap();
    assert_eq!(kinds(&events), ["HypervisorRegistered"], "only where nothing was before");
    later.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
}
