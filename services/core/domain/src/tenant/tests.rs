//! Whose a cluster is, is recorded: its name says nothing of it.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

fn tenant(text: &str) -> Option<TenantName> {
    Some(name(text))
}

fn create(tenant: &str, cluster_name: &str) -> CreateClusterForTenantV1 {
    let spec = cluster(cluster_name).spec;
    CreateClusterForTenantV1 { tenant: name(tenant), name: name(cluster_name), spec }
}

fn world() -> World {
    let mut world = World::with_hypervisors();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world
}

fn of(world: &World, cluster: &str) -> Option<TenantName> {
    world.state.tenants.of(&name(cluster)).cloned()
}

#[test]
fn a_cluster_is_its_tenants_from_its_creation() {
    let mut world = world();
    let events = world.run(create("acme", "acme-eu-blue"));
    assert_eq!(kinds(&events), ["ClusterCreated", "TenantSet"]);
    assert_eq!(of(&world, "acme-eu-blue"), tenant("acme"), "not acme-eu's");
    assert_eq!(world.rejection(create("acme", "acme-eu-blue")), "cluster-exists");
    world.run(cluster("acme-red"));
    assert_eq!(of(&world, "acme-red"), None, "nobody said so");
}

#[test]
fn an_administrator_says_whose_a_cluster_is() {
    let mut world = world();
    world.run(cluster("blue"));
    let set = |to: Option<TenantName>| SetTenantV1 { cluster: name("blue"), tenant: to };
    assert_eq!(kinds(&world.run(set(tenant("acme")))), ["TenantSet"]);
    assert_eq!(world.run(set(tenant("acme"))), [], "it is so already");
    assert_eq!(of(&world, "blue"), tenant("acme"));
    world.run(set(None));
    assert_eq!(of(&world, "blue"), None);
    let unknown = SetTenantV1 { cluster: name("other"), tenant: None };
    assert_eq!(world.rejection(unknown), "cluster-unknown");
}

#[test]
fn what_happened_stays_with_whose_it_was() {
    let mut world = world();
    world.run(create("acme", "blue"));
    let created = world.state.position;
    world.run(DeleteClusterV2 { name: name("blue"), forget_orphans: false });
    world.finish_all();
    let deleted = world.state.position;
    assert_eq!(of(&world, "blue"), None);
    world.run(create("other", "blue"));
    let again = world.state.position;
    let at = |position| world.state.tenants.at(&name("blue"), position).cloned();
    assert_eq!(at(created - 1), None);
    assert_eq!(at(created), tenant("acme"));
    assert_eq!(at(deleted), tenant("acme"), "its end, too");
    assert_eq!(at(again), tenant("other"));
}

#[test]
fn an_old_log_needs_its_level_raised_for_tenants() {
    let mut world = World::with_hypervisors();
    world.run(RaiseFeatureLevelV1 { level: 3 });
    assert_eq!(world.rejection(create("acme", "acme-blue")), "feature-level-too-low");
}
