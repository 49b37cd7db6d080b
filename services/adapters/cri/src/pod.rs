//! Pods that are as they should be, however often this is asked for and by
//! however many.

use crate::client::{CriClient, CriError, container_config, sandbox_config};
use crate::spec::{ContainerSpec, Labels, PodSpec, label};
use futures::future::try_join_all;
use k8s_cri::v1::{self as cri, ContainerState, PodSandboxState};
use std::time::Duration;

/// How often a name that another call holds is tried for.
const TRIES: u32 = 12;
/// For so many looks a container that was made is left for whoever may be starting it;
/// then it is taken for one that would not start.
const STARTING: u32 = 4;
/// How long a replaced container may take to end. An API server would wait for 12 s for
/// watches to end by themselves, which clients begin again elsewhere.
pub const GRACE: Duration = Duration::from_secs(6);

/// Why a pod is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// A CRI call failed.
    #[error(transparent)]
    Cri(#[from] CriError),
    /// The runtime cannot remove it, though it is not to run: it lost sight of its
    /// processes. See [`Helper::kill`](crate::Helper::kill).
    #[error("the runtime cannot remove {id}")]
    Stuck {
        /// The container or sandbox.
        id: String,
        /// Why.
        #[source]
        source: CriError,
    },
    /// A later decision has been acted on already.
    #[error("pod {pod} serves generation {found} already; generation {ours} must not touch it")]
    StaleGeneration {
        /// The pod.
        pod: String,
        /// What it serves.
        found: u64,
        /// What was to be done.
        ours: u64,
    },
}

/// A sandbox that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The runtime's id.
    pub id: String,
    /// It was made just now, so nothing is in it.
    pub fresh: bool,
}

fn generation_of(sandbox: &cri::PodSandbox) -> u64 {
    sandbox.labels.get(label::GENERATION).and_then(|g| g.parse().ok()).unwrap_or(0)
}

async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(25 << attempt.min(5))).await;
}

/// One ready sandbox for the pod, made from this spec; anything else under its
/// identity is removed.
///
/// # Errors
/// [`PodError::StaleGeneration`] where a higher generation stands.
pub async fn ensure_sandbox(client: &CriClient, pod: &PodSpec) -> Result<Sandbox, PodError> {
    let mut attempt = 0;
    loop {
        if let Some(id) = standing_sandbox(client, pod).await? {
            return Ok(Sandbox { id, fresh: false });
        }
        match client.run_sandbox(sandbox_config(pod)).await {
            Ok(id) => return Ok(Sandbox { id, fresh: true }),
            Err(e) if e.is_unreachable() || attempt >= TRIES => return Err(e.into()),
            // Another worker may be making the same one: then its name is taken.
            Err(error) => tracing::debug!(pod = pod.name, %error, attempt, "looking again"),
        }
        pause(attempt).await;
        attempt += 1;
    }
}

async fn standing_sandbox(client: &CriClient, pod: &PodSpec) -> Result<Option<String>, PodError> {
    let found = client.sandboxes(&pod.identity).await?;
    if let Some(found) = found.iter().map(generation_of).max().filter(|&g| g > pod.generation) {
        return Err(PodError::StaleGeneration {
            pod: pod.name.clone(),
            found,
            ours: pod.generation,
        });
    }
    let hash = pod.sandbox_hash();
    let mut keep = None;
    for sandbox in found {
        let ready = sandbox.state == PodSandboxState::SandboxReady as i32;
        if ready && keep.is_none() && sandbox.annotations.get(label::SPEC_HASH) == Some(&hash) {
            keep = Some(sandbox.id);
        } else {
            tracing::info!(pod = pod.name, sandbox = sandbox.id, ready, "replacing sandbox");
            client.remove_sandbox(&sandbox.id).await?;
        }
    }
    Ok(keep)
}

/// Makes a container ahead of its start by [`ensure_container`], where the sandbox is
/// new. In an older one nothing is done: who knows what stands there.
///
/// # Errors
/// Where a CRI call fails.
pub async fn prepare_container(
    client: &CriClient,
    sandbox: &Sandbox,
    pod: &PodSpec,
    spec: &ContainerSpec,
) -> Result<(), PodError> {
    if sandbox.fresh {
        let config = container_config(pod, spec, 0);
        client.create_container(&sandbox.id, sandbox_config(pod), config).await?;
    }
    Ok(())
}

/// The container runs in the sandbox, made from this spec; returns its id and
/// whether it was started just now.
///
/// # Errors
/// Where a CRI call fails.
pub async fn ensure_container(
    client: &CriClient,
    sandbox: &Sandbox,
    pod: &PodSpec,
    spec: &ContainerSpec,
) -> Result<(String, bool), PodError> {
    let mut attempt = 0;
    let mut look = !sandbox.fresh;
    let mut number = 0;
    loop {
        let mut made = None;
        if look {
            match standing_container(client, sandbox, pod, spec, attempt).await? {
                Standing::Runs(id) => return Ok((id, false)),
                Standing::Made(id) if attempt == 0 => made = Some(id),
                // Somebody else may be starting it right now.
                Standing::Made(_) => {
                    pause(attempt).await;
                    attempt += 1;
                    continue;
                }
                Standing::Free(next) => number = next,
            }
        }
        let made = match made {
            Some(id) => Ok(id),
            None => {
                let config = container_config(pod, spec, number);
                client.create_container(&sandbox.id, sandbox_config(pod), config).await
            }
        };
        let started = match made {
            Ok(id) => client.start_container(&id).await.map(|()| id),
            Err(e) => Err(e),
        };
        match started {
            Ok(id) => return Ok((id, true)),
            Err(e) if e.is_unreachable() || attempt >= TRIES => return Err(e.into()),
            Err(error) => {
                tracing::debug!(pod = pod.name, container = spec.name, %error, attempt, "looking again");
            }
        }
        pause(attempt).await;
        attempt += 1;
        look = true;
    }
}

/// Whether the container runs, but is not made from this spec.
///
/// # Errors
/// Where a CRI call fails.
pub async fn is_outdated(
    client: &CriClient,
    pod: &PodSpec,
    spec: &ContainerSpec,
) -> Result<bool, PodError> {
    let hash = spec.hash();
    let outdated = |c: &cri::Container| {
        c.state == ContainerState::ContainerRunning as i32
            && c.metadata.as_ref().is_some_and(|m| m.name == spec.name)
            && c.annotations.get(label::SPEC_HASH) != Some(&hash)
    };
    Ok(client.containers(&pod.identity).await?.iter().any(outdated))
}

/// What stands under a container's name.
enum Standing {
    /// One that runs as it must.
    Runs(String),
    /// One that is as it must be, and was not started yet.
    Made(String),
    /// Nothing that runs; a new one takes this number.
    Free(u32),
}

async fn standing_container(
    client: &CriClient,
    sandbox: &Sandbox,
    pod: &PodSpec,
    spec: &ContainerSpec,
    attempt: u32,
) -> Result<Standing, PodError> {
    let hash = spec.hash();
    let (mut keep, mut free) = (None, 0);
    for container in client.containers(&pod.identity).await? {
        let metadata = container.metadata.clone().unwrap_or_default();
        if container.pod_sandbox_id != sandbox.id || metadata.name != spec.name {
            continue;
        }
        let is = |state: ContainerState| container.state == state as i32;
        let (running, exited) =
            (is(ContainerState::ContainerRunning), is(ContainerState::ContainerExited));
        let same = container.annotations.get(label::SPEC_HASH) == Some(&hash);
        if running && same && keep.is_none() {
            keep = Some(Standing::Runs(container.id));
            continue;
        }
        let made = is(ContainerState::ContainerCreated) && same;
        if made && attempt < STARTING && keep.is_none() {
            keep = Some(Standing::Made(container.id));
            continue;
        }
        let (pod, name) = (&pod.name, &spec.name);
        tracing::info!(pod, container = name, running, same, "replacing container");
        match client.remove_container(&container.id, GRACE).await {
            Ok(()) => {}
            // It does not run, and is removed with its sandbox: another takes its place.
            Err(error) if exited && !error.is_unreachable() => {
                tracing::warn!(pod, container = name, %error, "left behind");
                free = free.max(metadata.attempt + 1);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(keep.unwrap_or(Standing::Free(free)))
}

/// Containers of the pod that its spec no longer has are gone.
///
/// # Errors
/// Where a CRI call fails.
pub async fn remove_others(client: &CriClient, pod: &PodSpec) -> Result<(), PodError> {
    for container in client.containers(&pod.identity).await? {
        let name = container.metadata.map(|m| m.name).unwrap_or_default();
        if pod.containers.iter().all(|c| c.name != name) {
            tracing::info!(pod = pod.name, container = name, "no longer to run");
            client.remove_container(&container.id, GRACE).await?;
        }
    }
    Ok(())
}

/// Nothing with these labels is left: containers first, all at once, each killed where
/// it does not end within `grace`; then sandboxes.
///
/// # Errors
/// [`PodError::Stuck`] where the runtime refuses; where a CRI call fails.
pub async fn remove_pods(
    client: &CriClient,
    labels: &Labels,
    grace: Duration,
) -> Result<(), PodError> {
    let stuck = |id: &str| {
        let id = id.to_owned();
        move |source: CriError| match source {
            CriError::Call { .. } => PodError::Stuck { id, source },
            other => PodError::Cri(other),
        }
    };
    let containers = client.containers(labels).await?;
    let removals = containers
        .iter()
        .map(|c| async { client.remove_container(&c.id, grace).await.map_err(stuck(&c.id)) });
    try_join_all(removals).await?;
    let sandboxes = client.sandboxes(labels).await?;
    let removals = sandboxes
        .iter()
        .map(|s| async { client.remove_sandbox(&s.id).await.map_err(stuck(&s.id)) });
    try_join_all(removals).await?;
    Ok(())
}
