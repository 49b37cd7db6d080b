//! A whole life of a cluster: wherever a call is lost, the end is the same.

use crate::platform::*;
use oi_cri::fake::When;
use oi_events::*;
use std::time::Duration;
use tokio::task::JoinSet;

/// From nothing to a cluster that grows, is scaled and upgraded, shrinks, sleeps and
/// wakes, to nothing, with one lost call on each hypervisor in each part.
async fn life(loss: Option<(&'static str, When)>) {
    let what = format!("{loss:?} lost");
    // Where nothing is lost, each job is done twice in a row.
    let platform = Platform::start(2, if loss.is_none() { 2 } else { 1 }).await;
    let lose = || {
        if let Some((method, when)) = loss {
            platform.private.fake.fail_once(method, when);
            platform.public.fake.fail_once(method, when);
        }
    };
    lose();
    platform.register_both().await;
    platform.settled(&what).await;
    lose();
    platform.create().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    let bound = platform.private.fake.requests();
    let binding = "clusterrolebindings/kubeadm:cluster-admins?";
    assert!(bound.iter().any(|path| path.contains(binding)), "{what}: {bound:?}");
    lose();
    platform.add("cp-2", Role::ControlPlane).await;
    platform.add("lb-2", Role::ControlPlaneIngress).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), two_of_each(), "{what}");
    lose();
    platform.scale(3, 1).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), scaled_pods(), "{what}");
    lose();
    platform.scale(2, 2).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), two_of_each(), "{what}");
    lose();
    platform.upgrade().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), two_of_each(), "{what}");
    let image = "registry.k8s.io/kube-apiserver:v1.36.4";
    assert_eq!(platform.api_servers(), [image, image], "{what}");
    lose();
    platform.remove("cp-1").await;
    platform.settled(&what).await;
    platform.remove("lb-1").await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    lose();
    platform.back_up().await;
    platform.settled(&what).await;
    lose();
    platform.restore().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    lose();
    platform.hibernate(true).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), [] as [String; 0], "{what}");
    lose();
    platform.hibernate(false).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    lose();
    platform.delete().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), [] as [String; 0], "{what}");
    let left = files(platform.private.dir.path()) + files(platform.public.dir.path());
    assert_eq!(left, 0, "{what}");
    assert_eq!(platform.tasks.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wherever_a_call_is_lost_the_end_is_the_same() {
    let mut lives = JoinSet::new();
    for method in [
        "Version",
        "Status",
        "PullImage",
        "ImageStatus",
        "RunPodSandbox",
        "ListPodSandbox",
        "CreateContainer",
        "StartContainer",
        "ContainerStatus",
        "ListContainers",
        "ExecSync",
        "StopContainer",
        "RemoveContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
    ] {
        for when in [When::Before, When::After] {
            lives.spawn(life(Some((method, when))));
        }
    }
    lives.spawn(life(None));
    while let Some(ended) = lives.join_next().await {
        ended.unwrap();
    }
}

/// A cluster gets other authorities, with one lost call in each step.
async fn rotated(method: &'static str, when: When) {
    let what = format!("{method} {when:?} lost");
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled(&what).await;
    for step in [RotationStep::Start, RotationStep::Switch, RotationStep::Finish] {
        platform.private.fake.fail_once(method, when);
        platform.rotate(step).await;
        platform.settled(&what).await;
        assert_eq!(platform.pods(), all_pods(), "{what}");
    }
    let rotation = platform.view.read(|s| s.clusters.values().next().unwrap().rotation.clone());
    assert!(rotation.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn authorities_are_rotated_wherever_a_call_is_lost() {
    let mut all = JoinSet::new();
    for method in ["CreateContainer", "StartContainer", "ExecSync", "StopContainer"] {
        for when in [When::Before, When::After] {
            all.spawn(rotated(method, when));
        }
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_comes_again_restarts_nothing() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    let jobs = platform.view.read(oi_domain::owed);
    platform.settled("creation").await;
    let ids = || {
        let all = [&platform.private, &platform.public];
        let mut ids: Vec<_> = all
            .iter()
            .flat_map(|h| h.fake.containers())
            .map(|c| (c.id, c.pod_sandbox_id))
            .collect();
        ids.sort();
        ids
    };
    let before = ids();
    for job in &jobs {
        platform.journal.job_queue().enqueue(job).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    platform.settled("again").await;
    assert_eq!(ids(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_to_images_that_are_not_there_replaces_nothing() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let ids = || {
        let all = platform.private.fake.containers().into_iter();
        all.map(|c| c.id).collect::<std::collections::BTreeSet<_>>()
    };
    let before = ids();
    platform.private.fake.lack_images("v1.36.99");
    platform.upgrade_to("v1.36.99").await;
    platform.settled("the end of the upgrade").await;
    assert_eq!(ids(), before);
    platform.upgrade().await;
    platform.settled("another upgrade").await;
    assert_eq!(platform.api_servers(), ["registry.k8s.io/kube-apiserver:v1.36.4"]);
}
