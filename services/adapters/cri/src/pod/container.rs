//! Containers.

use super::{GRACE, PodError, Sandbox, TRIES, generation_of, pause, refuse_stale};
use crate::client::{CriClient, container_config, sandbox_config};
use crate::spec::{ContainerSpec, PodSpec, label};
use k8s_cri::v1::{self as cri, ContainerState};

/// For how many looks a container that was created is left to whoever may be starting it. Then it
/// counts as one that would not start.
const STARTING: u32 = 4;

/// Creates a container ahead of its start by [`ensure_container`], if the sandbox is new. In an
/// older one, something may stand in its place.
///
/// # Errors
/// If a CRI call fails.
pub async fn prepare_container(
    client: &CriClient,
    sandbox: &Sandbox,
    pod: &PodSpec,
    spec: &ContainerSpec,
) -> Result<(), PodError> {
    if sandbox.fresh {
        let config = container_config(pod, spec, 0)?;
        client.create_container(&sandbox.id, sandbox_config(pod)?, config).await?;
    }
    Ok(())
}

/// Runs the container in the sandbox, made from this description. Returns its id, and whether it
/// started just now.
///
/// # Errors
/// [`PodError::StaleGeneration`] if it does not run as described, and a container of the pod is of a
/// higher generation; if a CRI call fails.
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
                Standing::Created(id) if attempt == 0 => made = Some(id),
                // Another worker may be starting it right now.
                Standing::Created(_) => {
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
                let config = container_config(pod, spec, number)?;
                client.create_container(&sandbox.id, sandbox_config(pod)?, config).await
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

/// Whether the container runs, but is not made from this description.
///
/// # Errors
/// [`PodError::StaleGeneration`] if so, and a container of the pod is of a higher generation; if a
/// CRI call fails.
pub async fn is_outdated(
    client: &CriClient,
    pod: &PodSpec,
    spec: &ContainerSpec,
) -> Result<bool, PodError> {
    let hash = spec.hash()?;
    let outdated = |c: &cri::Container| {
        c.state == ContainerState::ContainerRunning as i32
            && c.metadata.as_ref().is_some_and(|m| m.name == spec.name)
            && c.annotations.get(label::SPEC_HASH) != Some(&hash)
    };
    let found = client.containers(&pod.identity).await?;
    let is_outdated = found.iter().any(outdated);
    if is_outdated {
        refuse_stale(pod, generations(&found))?;
    }
    Ok(is_outdated)
}

/// The generations that containers were made for. A sandbox keeps its own, whatever is replaced in
/// it later.
fn generations(containers: &[cri::Container]) -> impl Iterator<Item = u64> {
    containers.iter().map(|c| generation_of(&c.labels))
}

/// What stands under a container's name.
enum Standing {
    /// A container that runs as described.
    Runs(String),
    /// A container as described that was not started yet.
    Created(String),
    /// Nothing that runs. A new container takes this number.
    Free(u32),
}

async fn standing_container(
    client: &CriClient,
    sandbox: &Sandbox,
    pod: &PodSpec,
    spec: &ContainerSpec,
    attempt: u32,
) -> Result<Standing, PodError> {
    let hash = spec.hash()?;
    let (mut keep, mut free) = (None, 0);
    let found = client.containers(&pod.identity).await?;
    let newest = generations(&found).max();
    for container in found {
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
            keep = Some(Standing::Created(container.id));
            continue;
        }
        refuse_stale(pod, newest.into_iter())?;
        let (pod, name) = (&pod.name, &spec.name);
        tracing::info!(pod, container = name, running, same, "replacing container");
        match client.remove_container(&container.id, GRACE).await {
            Ok(()) => {}
            // It does not run, and goes with its sandbox: another one takes its place.
            Err(error) if exited && !error.is_unreachable() => {
                tracing::warn!(pod, container = name, %error, "left behind");
                free = free.max(metadata.attempt + 1);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match keep {
        Some(keep) => Ok(keep),
        None => refuse_stale(pod, newest.into_iter()).map(|()| Standing::Free(free)),
    }
}

/// Removes containers of the pod that its description no longer has.
///
/// # Errors
/// [`PodError::StaleGeneration`] if there are some, and a container of the pod is of a higher
/// generation; if a CRI call fails.
pub async fn remove_others(client: &CriClient, pod: &PodSpec) -> Result<(), PodError> {
    let found = client.containers(&pod.identity).await?;
    let newest = generations(&found).max();
    for container in found {
        let name = container.metadata.map(|m| m.name).unwrap_or_default();
        if pod.containers.iter().all(|c| c.name != name) {
            refuse_stale(pod, newest.into_iter())?;
            tracing::info!(pod = pod.name, container = name, "no longer to run");
            client.remove_container(&container.id, GRACE).await?;
        }
    }
    Ok(())
}
