//! Pods that are as described, however often and by however many workers this is asked for.

mod container;
mod remove;
mod sandbox;

pub use container::{ensure_container, is_outdated, prepare_container, remove_others};
pub use remove::{remove_pods, remove_pods_until};
pub use sandbox::{Sandbox, ensure_sandbox};

use crate::client::CriError;
use crate::spec::{HashError, PodSpec, label};
use std::collections::HashMap;
use std::time::Duration;

/// How often a name is tried that another call holds.
const TRIES: u32 = 12;
/// How long a container that is replaced may take to end. An API server would wait 12 s for its
/// watches to end by themselves; clients start them again elsewhere.
pub const GRACE: Duration = Duration::from_secs(6);

/// Why a pod is not as described.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// A CRI call failed.
    #[error(transparent)]
    Cri(#[from] CriError),
    /// The pod cannot be told from another one.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The runtime cannot remove a container or sandbox, because it lost track of its processes.
    /// See [`Helper::kill`](crate::Helper::kill).
    #[error("the runtime cannot remove {id}")]
    Stuck {
        /// The container or sandbox.
        id: String,
        /// The cause.
        #[source]
        source: CriError,
    },
    /// A later decision was carried out already.
    #[error("pod {pod} serves generation {found} already; generation {ours} must not touch it")]
    StaleGeneration {
        /// The pod.
        pod: String,
        /// The generation that it serves.
        found: u64,
        /// The generation of the caller.
        ours: u64,
    },
}

/// The generation that a sandbox or container was made for, of its labels.
pub fn generation_of(labels: &HashMap<String, String>) -> u64 {
    match labels.get(label::GENERATION).map(|generation| generation.parse()) {
        Some(Ok(generation)) => generation,
        // It is older than all of ours.
        Some(Err(_)) | None => 0,
    }
}

/// Refuses to change a pod of which something was made for a later generation.
fn refuse_stale(pod: &PodSpec, found: impl Iterator<Item = u64>) -> Result<(), PodError> {
    match found.max().filter(|found| *found > pod.generation) {
        Some(found) => {
            Err(PodError::StaleGeneration { pod: pod.name.clone(), found, ours: pod.generation })
        }
        None => Ok(()),
    }
}

async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(25 << attempt.min(5))).await;
}
