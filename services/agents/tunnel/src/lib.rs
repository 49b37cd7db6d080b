//! The tunnel of a cluster: a hub beside its ingress, and a link to it from each worker node and
//! each API server. It is WireGuard in user space (boringtun).
//!
//! Links connect to the hub, so that any number of NATs may be between. The hub has no network
//! interface and no privileges: it takes packets out of one link and puts them into another, if
//! [`allows`] says so.
//!
//! The domain decides who has which address (`services/core/domain/src/tunnel`), the worker
//! configures hubs and links (`services/roles/worker/src/tunnel`), and `oi-node-join` runs the
//! link of a worker machine.

mod config;
mod error;
mod hub;
mod link;
mod losses;
mod route;
mod switch;

pub use config::{HubConfig, Key, KeyError, LinkConfig, PeerConfig, Pods};
pub use error::TunnelError;
pub use hub::hub;
pub use link::{INTERFACE, Link, link};
pub use switch::{Kind, allows};
