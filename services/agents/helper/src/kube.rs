//! Requests to the Kubernetes API of a cluster, done for a worker from where the cluster is.
//! They and their answers hold secrets, and travel sealed.

use crate::sealed::{Opener, SealError, seal_bytes};
use oi_kube::{Client, KubeError, Reply, Request, Server};
use serde::{Deserialize, Serialize};

/// What is asked of an API server, in this order.
#[derive(Serialize, Deserialize)]
pub struct Calls {
    /// The way to it.
    pub server: Server,
    /// Each is done, whatever became of those before it.
    pub requests: Vec<Request>,
    /// To whose key the answers are sealed.
    pub answer_to: String,
}

/// Why there are no answers.
#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    /// The key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Not a list of requests, or the answers cannot be written.
    #[error("not requests to an API")]
    Encoding(#[from] postcard::Error),
    /// The API server.
    #[error(transparent)]
    Kube(#[from] KubeError),
}

/// Does sealed requests; returns the answers, sealed.
///
/// # Errors
/// Where they cannot be opened, or the API server does not answer one.
pub fn do_calls(opener: &Opener, sealed: &str) -> Result<String, CallsError> {
    let calls: Calls = postcard::from_bytes(&opener.open_bytes(sealed)?)?;
    let client = Client::new(&calls.server)?;
    let replies: Vec<Reply> =
        calls.requests.iter().map(|r| client.call(r)).collect::<Result<_, _>>()?;
    Ok(seal_bytes(&calls.answer_to, &postcard::to_stdvec(&replies)?)?)
}
