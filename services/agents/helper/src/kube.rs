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

/// All replies together, bytes: a runtime hands over 16 MiB, and they travel in base64.
const LONGEST: usize = 8 << 20;

/// Sends sealed requests. Returns the replies, sealed. An answer that is too long, also together
/// with those before it, is a reply that says so: the others count all the same.
///
/// # Errors
/// If they cannot be opened, or the API server does not answer one.
pub fn do_calls(opener: &Opener, sealed: &str) -> Result<String, CallsError> {
    let calls: Calls = postcard::from_bytes(&opener.open_bytes(sealed)?)?;
    let client = Client::new(&calls.server)?;
    let answers = calls.requests.iter().map(|request| client.call(request));
    let replies = bounded(answers, &calls.server.address, LONGEST)?;
    Ok(seal_bytes(&calls.answer_to, &postcard::to_stdvec(&replies)?)?)
}

fn bounded(
    answers: impl Iterator<Item = Result<Reply, KubeError>>,
    address: &str,
    longest: usize,
) -> Result<Vec<Reply>, KubeError> {
    let (mut replies, mut room) = (Vec::new(), longest);
    for answer in answers {
        let reply = match answer {
            Err(error @ KubeError::TooLong(_)) => Reply::too_long(&error),
            answer => answer?,
        };
        replies.push(match room.checked_sub(reply.body.len()) {
            Some(left) => {
                room = left;
                reply
            }
            None => Reply::too_long(&KubeError::TooLong(address.to_owned())),
        });
    }
    Ok(replies)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_answer_that_is_too_long_ends_no_other() {
        let of = |length: usize| Ok(Reply { status: 200, body: vec![0; length] });
        let too_long = || Err(KubeError::TooLong("a".to_owned()));
        let answers = [of(600), too_long(), of(600), of(300)];
        let replies = bounded(answers.into_iter(), "a", 1000).unwrap();
        assert_eq!(
            replies.iter().map(Reply::is_too_long).collect::<Vec<_>>(),
            [false, true, true, false]
        );
        let broken = [of(1), Err(KubeError::NoCa)];
        assert!(bounded(broken.into_iter(), "a", 1000).is_err());
    }
}
