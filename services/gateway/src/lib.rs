//! The gRPC server: commands in, queries and watches out.
//!
//! A command is checked for form here, stored, and answered when a decider has
//! decided it. Queries are answered from the server's view of the log, and carry the
//! position of that view.

mod command;
mod kubeconfig;
mod query;
mod service;
mod watch;

pub use service::{Gateway, GatewayError};
