//! Sandboxes.

use super::{PodError, TRIES, generation_of, pause, refuse_stale};
use crate::client::{CriClient, sandbox_config};
use crate::spec::{PodSpec, label};
use k8s_cri::v1::PodSandboxState;

/// A sandbox that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The runtime's id.
    pub id: String,
    /// It was created just now: nothing is in it.
    pub fresh: bool,
}

/// Leaves one ready sandbox for the pod, made from this description, and removes all others of
/// its identity.
///
/// # Errors
/// [`PodError::StaleGeneration`] if a sandbox of a higher generation stands.
pub async fn ensure_sandbox(client: &CriClient, pod: &PodSpec) -> Result<Sandbox, PodError> {
    let mut attempt = 0;
    loop {
        if let Some(id) = standing_sandbox(client, pod).await? {
            return Ok(Sandbox { id, fresh: false });
        }
        match client.run_sandbox(sandbox_config(pod)?).await {
            Ok(id) => return Ok(Sandbox { id, fresh: true }),
            Err(e) if e.is_unreachable() || attempt >= TRIES => return Err(e.into()),
            // Another worker may be creating the same one: its name is taken then.
            Err(error) => tracing::debug!(pod = pod.name, %error, attempt, "looking again"),
        }
        pause(attempt).await;
        attempt += 1;
    }
}

/// The sandbox that stands and is as described. Others are removed.
async fn standing_sandbox(client: &CriClient, pod: &PodSpec) -> Result<Option<String>, PodError> {
    let found = client.sandboxes(&pod.identity).await?;
    refuse_stale(pod, found.iter().map(|s| generation_of(&s.labels)))?;
    let hash = pod.sandbox_hash()?;
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
