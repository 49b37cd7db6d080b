//! The tunnel between a cluster's worker nodes and its control plane.
//!
//! The domain decides who has which address (`services/core/domain/src/tunnel`). This
//! folder makes it so:
//! - [`pods`] describes hubs and links of the control plane, and [`config`] their files;
//! - [`rollout`] writes the peers into the files of running hubs and links;
//! - [`objects`] describes the ConfigMaps that worker machines read and write;
//! - [`need`] tells what does not work where there is no tunnel;
//! - [`requests`] turns what worker machines ask into observations, and notices machines that
//!   are gone.
//!
//! `services/agents/tunnel` is the program in the pods and on worker machines.
//! `services/agents/node-join/src/tunnel` is a worker machine's side.
//! Tests: `services/core/domain/src/tunnel/tests.rs`, `tests/unchanged.rs` here, `tests/e2e/tunnel`.

mod config;
mod need;
pub mod objects;
pub mod pods;
mod requests;
mod rollout;

pub use config::files;
pub use need::TunnelNeed;
pub use requests::PeerRequests;
