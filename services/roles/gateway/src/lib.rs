//! The gRPC server: commands in, queries and watches out.
//!
//! A command is checked for form here, stored, and answered when a decider has
//! decided it. Queries are answered from the server's view of the log, and carry the
//! position of that view. Other services need no gRPC: their commands come as messages
//! (`submissions`), and the events go to them as messages (`feed`).

mod budget;
mod convert;
mod decision;
mod feed;
mod identity;
mod job;
mod join;
mod kubeconfig;
mod metrics;
mod operation;
mod rejected;
mod rejection_log;
mod rpc;
mod service;
mod submissions;
mod tls;
mod watch;

pub use convert::envelope;
pub use metrics::Metrics;
pub use rejected::Rejected;
pub use service::{Gateway, GatewayError, GatewayHandles};
pub use tls::{Connection, DeniedError, Protocol, Tls, TlsError, TlsFiles};
