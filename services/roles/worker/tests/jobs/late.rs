//! What comes late changes nothing of what was decided since.

use crate::platform::*;
use oi_cri::{FileOp, label};
use oi_events::*;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_longer_wanted_is_cut_off() {
    let platform = Platform::with_hypervisors(2).await;
    platform.private.fake.hold_sandboxes(true);
    platform.create().await;
    let starts = || platform.private.fake.calls().get("RunPodSandbox").copied();
    let before = starts();
    let wait = async {
        while starts() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
    // Its jobs hang for as long as the runtime does.
    platform.delete().await;
    platform.settled("deletion").await;
    assert!(platform.view.read(|s| s.clusters.is_empty()));
    platform.private.fake.hold_sandboxes(false);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(platform.pods(), Vec::<String>::new());
    assert_eq!(files(platform.private.dir.path()), 0);
    // The name is free, and so are its ports.
    platform.create().await;
    platform.settled("again").await;
    assert_eq!(platform.pods(), all_pods());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_lost_end_of_a_log_had_started_stops_once_the_log_has_come_so_far() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let later = (platform.view.position() + 4).to_string();
    platform.private.fake.relabel_sandboxes(label::CLUSTER_UID, label::GENERATION, &later);
    platform.hibernate(true).await;
    platform.settled("sleep").await;
    assert_eq!(platform.pods(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_starts_nothing_of_a_cluster_that_sleeps() {
    let mut platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.add_cut_off_worker().await;
    platform.hibernate(true).await;
    platform.settled("sleep").await;
    // It misses them within a look, and tries again and again.
    for _ in 0..100 {
        for name in ["etcd", "kube-apiserver"] {
            assert!(running(&platform.private.fake, name).is_empty(), "{name} runs");
        }
        assert!(running(&platform.public.fake, "haproxy").is_empty(), "haproxy runs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually("a sandbox stays", LIMIT, || platform.pods().is_empty()).await;
    platform.hibernate(false).await;
    platform.settled("the awakening").await;
    assert_eq!(platform.pods(), all_pods());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_keeps_no_member_on_the_data_from_before_a_restore() {
    let mut platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let other = hypervisor();
    platform.register("hv-other", &other, false).await;
    platform.settled("registration").await;
    platform.scale(2, 1).await;
    platform.settled("another API server").await;
    assert_eq!(running(&other.fake, "kube-apiserver").len(), 1, "it is placed elsewhere");
    std::fs::write(platform.database(), "first").unwrap();
    platform.back_up().await;
    platform.settled("the backup").await;
    std::fs::write(platform.database(), "second").unwrap();
    platform.add_cut_off_worker().await;
    // The other node stops late: the first one's data is not replaced before.
    other.fake.hold_stops(true);
    platform.restore().await;
    let stopped = || running(&platform.private.fake, "etcd").is_empty();
    eventually("the first one does not stop", LIMIT, stopped).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    other.fake.hold_stops(false);
    platform.settled("the restore").await;
    let data = platform.database().parent().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(data.join("database")).unwrap(), "first");
    // A member takes this away when it starts.
    assert!(!data.join("new-membership").exists(), "etcd did not start on this data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_has_left_refuses_late_changes_until_its_cluster_is_deleted() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let other = hypervisor();
    platform.register("hv-other", &other, false).await;
    platform.settled("registration").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("a second member").await;
    let dir = platform.node_dir(&other, "cp-2");
    assert!(dir.exists(), "it is placed elsewhere");
    let generation = platform.view.position();
    platform.remove("cp-2").await;
    platform.settled("removal").await;
    assert!(!dir.exists());
    // As by a worker that slept meanwhile.
    let path = dir.display().to_string();
    let late = [
        FileOp::Fence { path: path.clone(), generation },
        FileOp::Write { path: format!("{path}/late"), mode: 0o600, content: Vec::new() },
    ];
    let refused = platform.helper("hv-other", &other).await.put(&late).await.unwrap_err();
    assert!(refused.to_string().contains("must not change it"), "{refused}");
    assert!(!dir.exists());
    platform.delete().await;
    platform.settled("deletion").await;
    assert_eq!(files(other.dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_came_back_under_its_name_is_not_removed_for_the_one_before() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("creation").await;
    let fake = &platform.private.fake;
    assert_eq!(fake.members(), ["cp-1", "cp-2"]);
    let before = fake.member_lists();
    platform.remove("cp-2").await;
    eventually("it is not looked up", LIMIT, || fake.member_lists() > before).await;
    // Another worker was faster, while requests in progress end.
    assert!(fake.renew_member("cp-2"));
    platform.settled("removal").await;
    assert_eq!(fake.members(), ["cp-1", "cp-2"]);
}
