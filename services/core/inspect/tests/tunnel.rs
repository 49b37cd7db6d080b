//! A state with a tunnel is shown as any other.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../domain/tests/support/mod.rs"]
mod world;

use oi_inspect::{Side, changes, render, unified};
use world::*;

#[test]
fn a_workers_link_is_shown_in_each_form() {
    let mut world = World::with_tunnel();
    let before = world.state.clone();
    world.run(link("one", 7));
    let after = world.state;

    let shown = render(&after).unwrap();
    let peers = &shown["clusters"]["test"]["tunnel"]["peers"];
    assert_eq!(peers["controlplane/cp-1"]["address"], "10.254.0.2");
    assert_eq!(peers["worker/one"]["address"], "10.254.0.3");
    assert_eq!(peers["worker/one"]["public_key"], "07".repeat(32));

    let side = |state| Side::of(state, Some("test")).unwrap();
    let (before, after) = (side(&before), side(&after));
    let (a, b) = (before.yaml().unwrap(), after.yaml().unwrap());
    assert!(!a.contains("worker/one:") && b.contains("worker/one:"), "{b}");
    let found = changes(&before.value, &after.value);
    let link = found.iter().find(|c| c.path == "tunnel/peers/worker/one").unwrap();
    assert!(link.before.is_none() && link.after.is_some(), "{found:?}");
    let text = unified((&before.title, &a), (&after.title, &b), false);
    let added = text.lines().filter_map(|line| line.strip_prefix('+'));
    assert!(added.map(str::trim).any(|line| line == "worker/one:"), "{text}");
}
