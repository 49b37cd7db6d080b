//! What dies starts again, and nothing holds it up.

use crate::platform::*;
use oi_cri::label;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_container_is_started_again_and_reported() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let restarted = || {
        platform.view.read(|s| {
            s.clusters.values().flat_map(|c| c.nodes.values()).map(|n| n.restarts).sum::<u32>()
        })
    };
    let hypervisors = [(&platform.private, "etcd"), (&platform.public, "haproxy")];
    for (count, (hypervisor, name)) in (1..).zip(hypervisors) {
        let all = hypervisor.fake.containers();
        let dead = all.iter().find(|c| c.metadata.as_ref().is_some_and(|m| m.name == name));
        hypervisor.fake.kill_container(&dead.unwrap().id);
        let wait = async {
            while restarted() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap();
        assert_eq!(platform.pods(), all_pods());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_does_not_become_ready_holds_up_no_other() {
    const CLUSTERS: usize = 12;
    let platform = Platform::with_hypervisors(1).await;
    for n in 0..CLUSTERS {
        platform.create_named(&format!("c{n}")).await;
    }
    platform.settled("creation").await;
    let fake = &platform.private.fake;
    let running = |name: &str| running(fake, name).len();
    // As after a power cut, with too few members of each cluster back.
    fake.hold_readiness(true);
    for container in fake.containers().iter().filter(|c| c.labels.contains_key(label::CLUSTER_UID))
    {
        fake.kill_container(&container.id);
    }
    let soon = Duration::from_secs(30);
    eventually("members do not start", soon, || running("etcd") == CLUSTERS).await;
    eventually("API servers do not start", soon, || running("kube-apiserver") == CLUSTERS).await;
    assert_eq!(running("kube-scheduler"), 0);
    // What dies meanwhile starts again, too.
    fake.kill_container(&self::running(fake, "etcd")[0]);
    eventually("a member does not start again", soon, || running("etcd") == CLUSTERS).await;
    fake.hold_readiness(false);
    eventually("the rest does not start", soon, || {
        running("kube-controller-manager") == CLUSTERS && running("kube-scheduler") == CLUSTERS
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_beside_a_job_that_waits_starts_again() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let fake = &platform.private.fake;
    fake.hold_readiness(true);
    platform.upgrade().await;
    let new = || platform.api_servers().iter().any(|image| image.ends_with("v1.36.4"));
    eventually("the API server is not replaced", LIMIT, new).await;
    fake.kill_container(&running(fake, "etcd")[0]);
    let again = || running(fake, "etcd").len() == 1;
    eventually("the member does not start again", LIMIT / 2, again).await;
    fake.hold_readiness(false);
    platform.settled("upgrade").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stop_that_was_taken_back_ends_starts_again_at_once() {
    let platform = Platform::with_hypervisors(1).await;
    let fake = &platform.private.fake;
    fake.hold_readiness(true);
    platform.create().await;
    let runs = || running(fake, "kube-apiserver").len() == 1;
    eventually("the API server does not start", LIMIT, runs).await;
    // It was told to end before the job began to wait for it.
    fake.kill_container(&running(fake, "kube-apiserver")[0]);
    eventually("it does not start again", Duration::from_secs(20), runs).await;
    fake.hold_readiness(false);
    platform.settled("creation").await;
    assert_eq!(platform.pods(), all_pods());
}
