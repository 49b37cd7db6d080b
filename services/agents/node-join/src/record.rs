//! What this machine is, or is becoming.

use crate::Join;
use serde::{Deserialize, Serialize};

/// What this machine is, or is becoming. It is written first and removed last, so that an attempt
/// after a crash knows what is half done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The node's name.
    pub node: String,
    /// `host:port` of the API.
    pub endpoint: String,
    /// Its CA certificates, PEM.
    pub authorities: String,
    /// The container runtime's socket.
    pub runtime: String,
}

impl Record {
    /// The record of a request to join.
    pub fn of(join: &Join) -> Record {
        Record {
            node: join.node.clone(),
            endpoint: join.endpoint.clone(),
            authorities: join.authorities.clone(),
            runtime: join.runtime.clone(),
        }
    }
}
