//! A log as it is stored, made by the rules.
#![allow(dead_code)]

#[path = "../../../../core/domain/tests/support/mod.rs"]
mod world;

use oi_audit::{ArchiveWriter, Source};
use oi_events::*;
use oi_journal::StoredCommit;
pub use oi_journal::testing::stored;
use std::path::Path;
pub use world::*;

/// A cluster comes, grows, loses a node, and goes; another one stays.
pub fn story() -> World {
    let mut world = World::with_cluster();
    for (cluster_name, node_name, role) in [
        ("test", "cp-2", Role::ControlPlane),
        ("test", "cp-3", Role::ControlPlane),
        ("other", "cp-1", Role::ControlPlane),
        ("other", "lb-1", Role::ControlPlaneIngress),
    ] {
        world.now_ms += 60_000;
        if node_name == "cp-1" {
            world.run(cluster(cluster_name));
        }
        world.run(node(cluster_name, node_name, role));
        world.finish_all();
    }
    world.now_ms += 60_000;
    world.run(remove("test", "cp-2"));
    world.finish_all();
    world.now_ms += 60_000;
    world.run(DeleteClusterV2 { name: name("other"), forget_orphans: false });
    world.finish_all();
    world
}

/// The same in messages of three commits, after four that stand alone.
pub fn batched(log: &[RecordedCommit]) -> Vec<StoredCommit> {
    let sequence = |position: u64| match position {
        0..=4 => position,
        later => 5 + (later - 5) / 3,
    };
    let within = |stored: StoredCommit| {
        let sequence = sequence(stored.position);
        stored.within(sequence)
    };
    stored(log).into_iter().map(within).collect()
}

/// An archive of a log.
pub fn archive(log: &[RecordedCommit], path: &Path) -> Source {
    let mut writer = ArchiveWriter::create(path, log.len() as u64).unwrap();
    batched(log).iter().for_each(|stored| writer.commit(stored).unwrap());
    writer.finish().unwrap();
    Source::Archive(path.to_owned())
}
