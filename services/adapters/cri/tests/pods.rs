//! Pods stay one of each and keep running, whoever asks however often, and wherever a
//! call is lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use oi_cri::fake::{FakeCri, When};
use oi_cri::*;
use std::time::Duration;
use support::lab;

fn labels(of: &[(&str, &str)]) -> Labels {
    of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn pod() -> PodSpec {
    PodSpec {
        name: "etcd".to_owned(),
        uid: "u1-etcd".to_owned(),
        identity: labels(&[(label::NODE, "cp-1"), (label::POD, "etcd")]),
        generation: 5,
        containers: vec![ContainerSpec {
            name: "etcd".to_owned(),
            image: "registry.k8s.io/etcd:3".to_owned(),
            command: vec!["etcd".to_owned()],
            ..ContainerSpec::default()
        }],
        ..PodSpec::default()
    }
}

async fn ensure(client: &CriClient, pod: &PodSpec) -> Result<(String, bool), PodError> {
    client.ensure_image(&pod.containers[0].image).await?;
    let sandbox = ensure_sandbox(client, pod).await?;
    ensure_container(client, &sandbox, pod, &pod.containers[0]).await
}

/// Exactly one sandbox with exactly one container, which runs.
fn assert_one(fake: &FakeCri) {
    let (sandboxes, containers) = (fake.sandboxes(), fake.containers());
    assert_eq!((sandboxes.len(), containers.len()), (1, 1), "{sandboxes:?} {containers:?}");
    assert_eq!(containers[0].state, CONTAINER_RUNNING);
    assert_eq!(containers[0].pod_sandbox_id, sandboxes[0].id);
}

#[tokio::test]
async fn again_changes_nothing() {
    let lab = lab();
    let (id, started) = ensure(&lab.client, &pod()).await.unwrap();
    assert!(started);
    let sandbox = lab.fake.sandboxes()[0].id.clone();
    assert_eq!(ensure(&lab.client, &pod()).await.unwrap(), (id, false));
    assert_eq!(lab.fake.sandboxes()[0].id, sandbox);
    assert_eq!(lab.fake.calls()["PullImage"], 1, "an image that is there is not pulled");
}

#[tokio::test]
async fn a_new_generation_with_the_same_content_restarts_nothing() {
    let lab = lab();
    let first = ensure(&lab.client, &pod()).await.unwrap().0;
    let later = PodSpec { generation: 6, ..pod() };
    assert_eq!(ensure(&lab.client, &later).await.unwrap(), (first, false));
}

#[tokio::test]
async fn another_command_replaces_the_container_and_keeps_the_sandbox() {
    let lab = lab();
    let first = ensure(&lab.client, &pod()).await.unwrap().0;
    let sandbox = lab.fake.sandboxes()[0].id.clone();
    let mut changed = pod();
    changed.containers[0].command.push("--debug".to_owned());
    let (second, started) = ensure(&lab.client, &changed).await.unwrap();
    assert!(started && second != first);
    assert_eq!(lab.fake.sandboxes()[0].id, sandbox);
    assert_one(&lab.fake);
}

#[tokio::test]
async fn another_port_replaces_the_sandbox() {
    let lab = lab();
    ensure(&lab.client, &pod()).await.unwrap();
    let sandbox = lab.fake.sandboxes()[0].id.clone();
    let ports = vec![PortMapping::tcp(1, 30_000)];
    ensure(&lab.client, &PodSpec { ports, ..pod() }).await.unwrap();
    assert_ne!(lab.fake.sandboxes()[0].id, sandbox);
    assert_one(&lab.fake);
}

#[tokio::test]
async fn a_first_start_setting_is_no_reason_to_restart() {
    let lab = lab();
    let first = ensure(&lab.client, &pod()).await.unwrap().0;
    let mut joined = pod();
    joined.containers[0].first_start_env.insert("STATE".to_owned(), "existing".to_owned());
    assert_eq!(ensure(&lab.client, &joined).await.unwrap(), (first, false));
}

#[tokio::test]
async fn what_died_is_started_again() {
    let lab = lab();
    let first = ensure(&lab.client, &pod()).await.unwrap().0;
    lab.fake.kill_container(&first);
    let (second, started) = ensure(&lab.client, &pod()).await.unwrap();
    assert!(started && second != first);
    assert_one(&lab.fake);
}

#[tokio::test]
async fn a_lower_generation_is_refused() {
    let lab = lab();
    ensure(&lab.client, &pod()).await.unwrap();
    let late = PodSpec { generation: 4, ..pod() };
    let error = ensure(&lab.client, &late).await.unwrap_err();
    assert!(matches!(error, PodError::StaleGeneration { found: 5, ours: 4, .. }), "{error}");
}

/// The pod of a generation, with its image.
fn of_release(generation: u64, image: &str) -> PodSpec {
    let mut pod = PodSpec { generation, ..pod() };
    pod.containers[0].image = image.to_owned();
    pod
}

#[tokio::test]
async fn a_late_caller_does_not_go_back_to_an_earlier_release_in_the_same_sandbox() {
    let lab = lab();
    let (before, late, new) =
        (of_release(5, "api:1"), of_release(10, "api:1"), of_release(20, "api:2"));
    ensure(&lab.client, &before).await.unwrap();
    // Whoever is late has its sandbox already.
    let sandbox = ensure_sandbox(&lab.client, &late).await.unwrap();
    let (id, started) = ensure(&lab.client, &new).await.unwrap();
    assert!(started && lab.fake.sandboxes()[0].id == sandbox.id, "it is the same sandbox");

    let stale = |e: PodError| matches!(e, PodError::StaleGeneration { found: 20, ours: 10, .. });
    let container = &late.containers[0];
    let went_back = ensure_container(&lab.client, &sandbox, &late, container).await;
    assert!(stale(went_back.unwrap_err()));
    assert!(stale(is_outdated(&lab.client, &late, container).await.unwrap_err()));
    let other = ContainerSpec { name: "scheduler".to_owned(), ..container.clone() };
    let added = ensure_container(&lab.client, &sandbox, &late, &other).await;
    assert!(stale(added.unwrap_err()), "nothing is added to it");
    let none = PodSpec { containers: Vec::new(), ..late.clone() };
    assert!(stale(remove_others(&lab.client, &none).await.unwrap_err()));
    let until = remove_pods_until(&lab.client, &late.identity, 10, Duration::ZERO).await;
    assert!(until.unwrap(), "something of a later generation stays");

    assert_one(&lab.fake);
    assert_eq!(lab.fake.containers()[0].id, id);
    assert!(is_outdated(&lab.client, &of_release(21, "api:3"), container).await.unwrap());
}

#[tokio::test]
async fn a_container_without_a_generation_is_older_than_any_and_runs_on() {
    let lab = lab();
    let first = ensure(&lab.client, &pod()).await.unwrap().0;
    lab.fake.unlabel_containers(label::GENERATION);
    assert_eq!(ensure(&lab.client, &pod()).await.unwrap(), (first.clone(), false));
    let (second, started) = ensure(&lab.client, &of_release(5, "etcd:other")).await.unwrap();
    assert!(started && second != first);
    assert_one(&lab.fake);
}

#[tokio::test]
async fn many_at_once_make_one() {
    let lab = lab();
    let (pod, client) = (pod(), &lab.client);
    let all = futures::future::join_all((0..16).map(|_| ensure(client, &pod))).await;
    let ids: std::collections::BTreeSet<_> = all.into_iter().map(|r| r.unwrap().0).collect();
    assert_eq!(ids.len(), 1);
    assert_one(&lab.fake);
}

#[tokio::test]
async fn wherever_a_call_is_lost_the_next_try_makes_it_whole() {
    for method in
        ["PullImage", "RunPodSandbox", "CreateContainer", "StartContainer", "ListContainers"]
    {
        for when in [When::Before, When::After] {
            let lab = lab();
            lab.fake.fail_once(method, when);
            let mut tries = 0;
            while ensure(&lab.client, &pod()).await.is_err() {
                tries += 1;
                assert!(tries < 3, "{method} {when:?}");
            }
            assert_one(&lab.fake);
        }
    }
}

#[tokio::test]
async fn removing_again_and_after_lost_calls_leaves_nothing() {
    for method in ["StopContainer", "RemoveContainer", "StopPodSandbox", "RemovePodSandbox"] {
        for when in [When::Before, When::After] {
            let lab = lab();
            ensure(&lab.client, &pod()).await.unwrap();
            lab.fake.fail_once(method, when);
            let mut tries = 0;
            while remove_pods(&lab.client, &pod().identity, Duration::ZERO).await.is_err() {
                tries += 1;
                assert!(tries < 3, "{method} {when:?}");
            }
            assert!(lab.fake.sandboxes().is_empty() && lab.fake.containers().is_empty());
        }
    }
}

#[tokio::test]
async fn only_what_has_the_labels_is_removed() {
    let lab = lab();
    ensure(&lab.client, &pod()).await.unwrap();
    let other = PodSpec {
        uid: "u2-etcd".to_owned(),
        identity: labels(&[(label::NODE, "cp-2"), (label::POD, "etcd")]),
        ..pod()
    };
    ensure(&lab.client, &other).await.unwrap();
    let node = labels(&[(label::NODE, "cp-1")]);
    let before = lab.fake.sandboxes().len();
    let earlier = pod().generation - 1;
    assert!(remove_pods_until(&lab.client, &node, earlier, Duration::ZERO).await.unwrap());
    assert_eq!(lab.fake.sandboxes().len(), before, "they are of a later generation");
    remove_pods(&lab.client, &node, Duration::ZERO).await.unwrap();
    assert_one(&lab.fake);
    assert_eq!(lab.fake.sandboxes()[0].labels[label::NODE], "cp-2");
}

#[tokio::test]
async fn files_reach_the_hypervisor_sealed_and_are_written_once() {
    let lab = lab();
    let root = lab.dir.path().display().to_string();
    let settings = HelperSettings {
        hypervisor: "hv-1".to_owned(),
        image: "oi-helper".to_owned(),
        data_dir: root.clone(),
    };
    let helper = Helper::ensure(&lab.client, &settings).await.unwrap();
    let path = format!("{root}/pki/ca.key");
    let operation = FileOp::Write { path: path.clone(), mode: 0o600, content: b"key".to_vec() };
    let operations = [operation];
    assert_eq!(helper.put(&operations).await.unwrap(), vec![path.clone()]);
    assert_eq!(helper.put(&operations).await.unwrap(), [] as [String; 0]);
    assert_eq!(std::fs::read(path).unwrap(), b"key");
    let outside = [FileOp::Write { path: "/etc/oi".to_owned(), mode: 0o600, content: vec![] }];
    assert!(matches!(helper.put(&outside).await, Err(HelperError::Rejected(_))));
}
