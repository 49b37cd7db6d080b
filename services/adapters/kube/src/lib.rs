//! A small client of the Kubernetes API: the settings of a connection, and requests as data.
//!
//! It serves where nothing larger fits: in the helper on hypervisors, which sends requests for a
//! worker, and on machines that join a cluster.

mod client;
mod error;
mod message;
mod server;

pub use client::Client;
pub use error::KubeError;
pub use message::{Reply, Request, Verb, items, version};
pub use server::{Identity, Server};
