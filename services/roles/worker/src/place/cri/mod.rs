//! A hypervisor, by its CRI endpoint: pods are sandboxes with containers, and the helper, a
//! container of ours, writes files and reaches what runs there.

mod connections;
mod error;
mod helper;
mod pods;

pub use connections::CriPlaces;
pub use error::CriPlaceError;
pub use pods::{CriContainer, CriImage, CriSandbox};

use oi_domain::Hypervisor;
use std::sync::Arc;

/// A hypervisor. Clones share its connections.
#[derive(Clone)]
pub struct CriPlace {
    /// The hypervisor, as it is in the state.
    pub hypervisor: Arc<Hypervisor>,
    places: CriPlaces,
}
