//! Removal.

use super::{PodError, generation_of};
use crate::client::{CriClient, CriError};
use crate::spec::Labels;
use futures::future::try_join_all;
use std::time::Duration;

/// Removes everything with these labels: containers first, all at once, each killed if it does
/// not end within `grace`; then sandboxes.
///
/// # Errors
/// [`PodError::Stuck`] if the runtime refuses; if a CRI call fails.
pub async fn remove_pods(
    client: &CriClient,
    labels: &Labels,
    grace: Duration,
) -> Result<(), PodError> {
    remove_pods_until(client, labels, u64::MAX, grace).await.map(drop)
}

/// The same for a generation, which leaves alone what is of a later one: a sandbox that was made
/// for it, or has a container that was. Returns whether there is something of a later one.
///
/// # Errors
/// As [`remove_pods`].
pub async fn remove_pods_until(
    client: &CriClient,
    labels: &Labels,
    generation: u64,
    grace: Duration,
) -> Result<bool, PodError> {
    let stuck = |id: &str| {
        let id = id.to_owned();
        move |source: CriError| match source {
            CriError::Call { .. } => PodError::Stuck { id, source },
            other => PodError::Cri(other),
        }
    };
    let containers = client.containers(labels).await?;
    // They are read last: the sandbox of each container that is there is known.
    let sandboxes = client.sandboxes(labels).await?;
    let is_later = |labels: &_| generation_of(labels) > generation;
    let (later, ours): (Vec<_>, Vec<_>) = sandboxes.into_iter().partition(|s| {
        let mut within = containers.iter().filter(|c| c.pod_sandbox_id == s.id);
        is_later(&s.labels) || within.any(|c| is_later(&c.labels))
    });
    let removals = containers
        .iter()
        .filter(|c| !later.iter().any(|s| s.id == c.pod_sandbox_id))
        .map(|c| async { client.remove_container(&c.id, grace).await.map_err(stuck(&c.id)) });
    try_join_all(removals).await?;
    let removals =
        ours.iter().map(|s| async { client.remove_sandbox(&s.id).await.map_err(stuck(&s.id)) });
    try_join_all(removals).await?;
    Ok(!later.is_empty())
}
