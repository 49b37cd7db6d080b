//! Why there is no tunnel.

use std::io::Error;

/// A failure that ends the process; whatever supervises it starts it again.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The configuration cannot be read.
    #[error("the configuration {path} cannot be read")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The configuration is none.
    #[error("the configuration {path} is not one of a tunnel")]
    Malformed {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The status cannot be written.
    #[error("the status cannot be written to {path}")]
    Status {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The interface cannot be made.
    #[error("the interface {name} cannot be made: it needs /dev/net/tun and CAP_NET_ADMIN")]
    Interface {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: Error,
    },
    /// A route cannot be set.
    #[error("no route to {net} can be set through the interface")]
    Route {
        /// Where to.
        net: ipnet::Ipv4Net,
        /// Why.
        #[source]
        source: Error,
    },
    /// The interface does not take or give packets.
    #[error("the interface fails")]
    Packet(#[source] Error),
    /// No socket.
    #[error("no UDP socket can be opened")]
    Socket(#[source] Error),
    /// A part of it ended.
    #[error("a thread of the link ended")]
    Thread,
}
