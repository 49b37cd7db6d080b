//! Requests and replies, as data.

use crate::error::KubeError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Reads.
    Get,
    /// Reads the first line of the answer only: for watches.
    First,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Server-side apply, for the field manager in the path.
    Apply,
    /// JSON merge patch.
    Merge,
    /// Deletes.
    Delete,
}

/// A request. Its body may be secret, and is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What it does.
    pub verb: Verb,
    /// Path and query, from `/`.
    pub path: String,
    /// JSON, or empty.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl Request {
    /// A request that reads.
    pub fn get(path: impl Into<String>) -> Request {
        Request { verb: Verb::Get, path: path.into(), body: Vec::new() }
    }

    /// A request with an object.
    pub fn with(verb: Verb, path: impl Into<String>, object: &Value) -> Request {
        Request { verb, path: path.into(), body: object.to_string().into_bytes() }
    }
}

/// A reply, whatever its status. Its body may be secret, and is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The whole body, or the first line of a watch.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the request succeeded.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The object in the body.
    ///
    /// # Errors
    /// [`KubeError::Rejected`], with the API's own message, if the request failed.
    pub fn object(&self) -> Result<Value, KubeError> {
        if !self.is_success() {
            return Err(KubeError::Rejected { status: self.status, message: self.message() });
        }
        serde_json::from_slice(&self.body).map_err(KubeError::Json)
    }

    /// The API's own message.
    pub fn message(&self) -> String {
        let status: Option<Value> = serde_json::from_slice(&self.body).ok();
        let message = status.as_ref().and_then(|s| s["message"].as_str());
        let text = String::from_utf8_lossy(&self.body);
        message.unwrap_or_else(|| text.lines().next().unwrap_or_default()).to_owned()
    }
}
