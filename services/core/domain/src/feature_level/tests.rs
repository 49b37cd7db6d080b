//! What may be written while servers of an older release still run.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

#[test]
fn what_is_new_waits_until_all_servers_are() {
    let mut world = World::with_cluster();
    assert_eq!(world.state.level(), 1, "a log of the first release");
    world.run(BackupClusterV1 { name: name("test") });
    let cancel = CancelJobV1 { job: JobId(world.owed().remove(0)) };
    assert_eq!(world.rejection(cancel.clone()), "feature-level-too-low");
    assert_eq!(
        world.rejection(RaiseFeatureLevelV1 { level: FEATURE_LEVEL + 1 }),
        "feature-level-unknown"
    );
    assert_eq!(
        kinds(&world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL })),
        ["FeatureLevelRaised"]
    );
    assert_eq!(world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL }), [], "once");
    assert_eq!(world.run(RaiseFeatureLevelV1 { level: 1 }), [], "never back");
    assert_eq!(world.state.level(), FEATURE_LEVEL);
    world.run(cancel);
}
