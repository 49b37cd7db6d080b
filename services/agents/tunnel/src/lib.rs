//! The tunnel of a cluster: a hub beside its ingress, and a link from each worker and each
//! API server to it, WireGuard in user space (boringtun).
//!
//! All links lead out to the hub, so that it does not matter behind how many NATs a machine
//! is. The hub has no interface of its own and no rights: it takes packets out of one link
//! and puts them into another, where [`allows`] says so.

mod config;
mod error;
mod hub;
mod link;
mod route;
mod switch;

pub use config::{HubConfig, Key, LinkConfig, PeerConfig, Pods};
pub use error::TunnelError;
pub use hub::hub;
pub use link::{INTERFACE, Link, link};
pub use switch::{Kind, allows};
