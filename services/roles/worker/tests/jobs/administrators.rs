//! Administrators of a cluster get their rights once.

use crate::platform::*;
use oi_events::*;
use std::time::Duration;

impl Platform {
    /// How often administrators of clusters were given their rights.
    fn bindings(&self) -> usize {
        let all = self.private.fake.requests().into_iter();
        all.filter(|path| path.contains("clusterrolebindings/kubeadm:cluster-admins")).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_bound_once_and_a_binding_that_is_deleted_stays_so() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    assert_eq!(platform.bindings(), 1);
    platform.upgrade().await;
    platform.settled("upgrade").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("another node").await;
    assert_eq!(platform.bindings(), 1, "no job of a cluster that was ready binds them again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_of_a_cluster_of_a_release_before_are_bound_once() {
    let mut platform = Platform::of_level(3).await;
    platform.create().await;
    platform.settled("creation").await;
    // The release that made it did not bind them.
    platform.private.fake.forget_objects();
    let before = platform.bindings();
    let asked = |p: &Platform| {
        let all = p.private.fake.requests().into_iter();
        all.filter(|path| path.ends_with("/configmaps/oi-administrators")).count()
    };
    for n in 1..=2 {
        let seen = asked(&platform);
        platform.start_worker(n, 1);
        eventually("a new worker does not look", LIMIT, || asked(&platform) > seen).await;
        eventually("they are not bound", LIMIT, || platform.bindings() > before).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(platform.bindings(), before + 1, "a worker that starts does not do it again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_becomes_ready_though_a_webhook_of_the_backup_refuses_everything() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.back_up().await;
    platform.settled("backup").await;
    platform.private.fake.refuse_requests("clusterrolebindings");
    let source: ClusterName = "test".parse().unwrap();
    let backup = platform.view.read(|s| *s.clusters[&source].backups.keys().next().unwrap());
    let name: ClusterName = "copy".parse().unwrap();
    platform.submit(CloneClusterV1 { name: name.clone(), source, backup }).await;
    platform.add_to("copy", "cp-1", Role::ControlPlane).await;
    platform.add_to("copy", "lb-1", Role::ControlPlaneIngress).await;
    platform.settled("clone").await;
    platform.view.read(|s| assert!(s.clusters[&name].answers()));
}
