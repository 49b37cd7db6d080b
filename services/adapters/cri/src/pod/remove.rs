//! Removal.

use super::PodError;
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
