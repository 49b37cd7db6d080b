//! An API server, and the way to it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The user of a connection.
#[derive(Clone, Serialize, Deserialize)]
pub enum Identity {
    /// No user.
    Anonymous,
    /// A client certificate and its key, PEM.
    Certificate {
        /// The certificate.
        certificate: String,
        /// Its key.
        key: String,
    },
    /// A bearer token.
    Token(String),
}

impl Drop for Identity {
    fn drop(&mut self) {
        match self {
            Identity::Anonymous => {}
            Identity::Certificate { key, .. } => key.zeroize(),
            Identity::Token(token) => token.zeroize(),
        }
    }
}

/// An API server, and the way to it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// The only CA certificates that are trusted, PEM.
    pub authorities: String,
    /// The user.
    pub identity: Identity,
    /// The limit of a request, milliseconds.
    pub limit_ms: u64,
}
