//! Where control planes run.
//!
//! [`desired`](crate::desired) says what must run for a node, and a [`Place`] runs it. A place
//! - runs pods: [`Place::start`], [`Place::prepare`], [`Place::ensure_container`],
//!   [`Place::end_pods`], [`Place::containers`];
//! - has files: [`Place::put`], [`Place::read`];
//! - reaches what runs there: [`Place::probe`], [`Place::console`], [`Place::exec`],
//!   [`Place::kube`].
//!
//! There is one kind of place today, a CRI endpoint with our helper beside it ([`cri`]). Another
//! kind, such as a namespace of a Kubernetes cluster, is a folder beside `cri` with the same
//! operations; [`Place`], [`Places`] and [`PlaceError`] then become enums with a variant for each
//! kind. Nothing else in this crate names a runtime (`tests/seam.rs`). How a hypervisor is reached is in
//! the record `RegisterHypervisor` (`cri_endpoint`): another kind needs a new version of that record, and
//! a change of `domain/src/placement.rs`, which hands out host ports.

mod cri;
mod node_session;
mod start_limiter;

pub use node_session::NodeSession;
pub use oi_cri::{
    GRACE, Identity as ApiIdentity, KubeError, Reply, Request, Sandbox, Server as ApiServer, Verb,
    items, version,
};
pub use start_limiter::{StartKind, StartLimiter, Turn};

/// A place that runs pods.
pub type Place = cri::CriPlace;
/// The way to every place.
pub type Places = cri::CriPlaces;
/// Why a place did not do what it was asked.
pub type PlaceError = cri::CriPlaceError;
/// A container, as a place lists it.
pub type Container = cri::CriContainer;
/// An image, as a place lists it.
pub type Image = cri::CriImage;
/// A sandbox, as a place lists it.
pub type ListedSandbox = cri::CriSandbox;
