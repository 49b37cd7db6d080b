//! Sends requests to the Kubernetes API of a cluster for a worker, from where the cluster runs.
//! Requests and replies have secrets, and travel sealed.

use crate::sealed::{Opener, SealError, seal_bytes};
use oi_kube::{Client, KubeError, Reply, Request, Server};
use serde::{Deserialize, Serialize};

/// Requests to an API server, in order.
#[derive(Serialize, Deserialize)]
pub struct Calls {
    /// The API server.
    pub server: Server,
    /// The requests. Each is sent, whatever the replies to those before it.
    pub requests: Vec<Request>,
    /// The public key to which the replies are sealed.
    pub answer_to: String,
}

/// Why there are no replies.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// The key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Not a list of requests, or the replies cannot be encoded.
    #[error("not requests to an API")]
    Encoding(#[from] postcard::Error),
    /// The API server.
    #[error(transparent)]
    Kube(#[from] KubeError),
}

/// Sends sealed requests. Returns the replies, sealed.
///
/// # Errors
/// If they cannot be opened, or the API server does not answer one.
pub fn do_calls(opener: &Opener, sealed: &str) -> Result<String, CallsError> {
    let calls: Calls = postcard::from_bytes(&opener.open_bytes(sealed)?)?;
    let client = Client::new(&calls.server)?;
    let replies: Vec<Reply> =
        calls.requests.iter().map(|r| client.call(r)).collect::<Result<_, _>>()?;
    Ok(seal_bytes(&calls.answer_to, &postcard::to_stdvec(&replies)?)?)
}
