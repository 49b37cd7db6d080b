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
    /// Reads a list without the contents of its objects.
    Metadata,
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

/// Content too large.
const TOO_LONG: u16 = 413;

impl Reply {
    /// Stands for an answer that is longer than anybody reads.
    pub fn too_long(error: &KubeError) -> Reply {
        Reply { status: TOO_LONG, body: error.to_string().into_bytes() }
    }

    /// Whether the answer, or the request, was too long.
    pub fn is_too_long(&self) -> bool {
        self.status == TOO_LONG
    }

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

    /// The API's own message, or the first line of an answer that has none.
    pub fn message(&self) -> String {
        if let Ok(status) = serde_json::from_slice::<Value>(&self.body)
            && let Some(message) = status["message"].as_str()
        {
            return message.to_owned();
        }
        let text = String::from_utf8_lossy(&self.body);
        text.lines().next().unwrap_or_default().to_owned()
    }
}

/// The objects of a list.
///
/// # Errors
/// [`KubeError::NoList`] if it is none.
pub fn items(list: &Value) -> Result<&[Value], KubeError> {
    match list.get("items") {
        Some(Value::Array(items)) => Ok(items),
        // An API server may write an empty list like this.
        Some(Value::Null) => Ok(&[]),
        _ => Err(KubeError::NoList),
    }
}

/// The version of a list, from which on changes of it are watched.
///
/// # Errors
/// [`KubeError::NoList`] if it has none.
pub fn version(list: &Value) -> Result<&str, KubeError> {
    list["metadata"]["resourceVersion"].as_str().ok_or(KubeError::NoList)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_list_is_not_taken_for_an_empty_one() {
        assert_eq!(items(&json!({"items": [1, 2]})).unwrap().len(), 2);
        assert!(items(&json!({"items": null})).unwrap().is_empty());
        for other in [json!({}), json!({"items": "x"}), json!([]), json!(null)] {
            assert!(matches!(items(&other), Err(KubeError::NoList)), "{other}");
        }
    }
}
