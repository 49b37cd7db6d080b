//! Why a hypervisor did not do what it was asked, and whether time may mend it.

use oi_cri::{CriError, EndpointError, HelperError, PodError};
use oi_events::FailureClass::{self, Permanent, Transient};

/// Why a hypervisor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CriPlaceError {
    /// Its endpoint is malformed, or its TLS files are not usable.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A CRI call failed.
    #[error(transparent)]
    Cri(#[from] CriError),
    /// A pod is not as it must be.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// The helper failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The registry does not have an image.
    #[error("image {image} is not in its registry")]
    NoImage {
        /// Its name.
        image: String,
        /// What the runtime says.
        #[source]
        source: CriError,
    },
    /// The container runtime is not ready.
    #[error("the container runtime is not ready: {0}")]
    NotReady(String),
}

impl CriPlaceError {
    /// Whether time may mend it.
    pub fn class(&self) -> FailureClass {
        match self {
            CriPlaceError::Endpoint(error) => endpoint(error),
            CriPlaceError::Cri(error) => cri(error),
            CriPlaceError::Pod(error) => pod(error),
            CriPlaceError::Helper(error) => helper(error),
            // Whoever asked for it is told, and may ask again.
            CriPlaceError::NoImage { .. } => Permanent,
            // Its network plugin may still be starting.
            CriPlaceError::NotReady(_) => Transient,
        }
    }
}

fn endpoint(error: &EndpointError) -> FailureClass {
    match error {
        // As it was registered.
        EndpointError::Malformed(_) | EndpointError::NeedsTls(_) => Permanent,
        // An operator puts the files in place.
        EndpointError::File { .. } | EndpointError::Tls { .. } => Transient,
    }
}

fn cri(error: &CriError) -> FailureClass {
    match error {
        CriError::Endpoint(error) => endpoint(error),
        // Hosts and runtimes come back.
        CriError::Unreachable { .. } | CriError::NotCri { .. } => Transient,
        // The runtime cannot read the request: the name of an image, for example.
        CriError::Call { .. } if error.is_invalid_argument() => Permanent,
        // Images appear in registries, disks get room.
        CriError::Call { .. } => Transient,
    }
}

fn pod(error: &PodError) -> FailureClass {
    match error {
        PodError::Cri(error) => cri(error),
        // A description comes with another decision only.
        PodError::Hash(_) => Permanent,
        // The runtime may remove it after a restart.
        PodError::Stuck { .. } => Transient,
        // The view catches up; then the job is no longer owed.
        PodError::StaleGeneration { .. } => Transient,
    }
}

fn helper(error: &HelperError) -> FailureClass {
    match error {
        HelperError::Pod(error) => pod(error),
        HelperError::Cri(error) => cri(error),
        // The helper may have restarted with another key, or be of another release.
        HelperError::Seal(_) | HelperError::Calls(_) => Transient,
        // What it waited for may come.
        HelperError::Rejected(_) => Transient,
    }
}
