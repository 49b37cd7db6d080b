//! Commands that are large, and valid.

use crate::{Error, submit};
use oi_events::Limit;
use oi_proto::v1::{self, SubmitRequest, submit_request::Command as Asked};
use prost::Message;

/// The nth issuer.
pub fn issuer(n: usize) -> v1::Issuer {
    let username = v1::ClaimMapping { claim: "sub".to_owned(), prefix: "a:".to_owned() };
    v1::Issuer {
        url: format!("https://id-{n}.test"),
        audiences: vec!["kubernetes".to_owned()],
        username: Some(username),
        ..v1::Issuer::default()
    }
}

pub fn users(cluster: &str, issuers: Vec<v1::Issuer>) -> Asked {
    Asked::SetAuthentication(v1::SetAuthentication { cluster: cluster.to_owned(), issuers })
}

/// As many names as a cluster's certificates can have, of so many bytes together.
pub fn names(bytes: usize) -> Vec<String> {
    let count = Limit::ExtraSans.bound();
    let (each, rest) = (bytes / count, bytes % count);
    let width = |n: usize| each + usize::from(n < rest);
    (0..count).map(|n| format!("{:a<1$}", format!("a-{n}-"), width(n))).collect()
}

/// A request of exactly so many bytes that nothing is wrong with: users of a cluster, whose tokens
/// are for many audiences with long names.
///
/// # Errors
/// Where there is none.
pub fn request(cluster: &str, bytes: usize) -> Result<SubmitRequest, Error> {
    let longest = Limit::ClaimText.bound();
    let audience = |n: usize, width: usize| format!("{:a<width$}", format!("{n}-"));
    let asks = |full: usize, last: usize| {
        let most = Limit::Audiences.bound();
        let texts: Vec<String> =
            (0..full).map(|n| audience(n, longest)).chain([audience(full, last)]).collect();
        let issuers = texts.chunks(most).enumerate();
        let issuers = issuers.map(|(n, a)| v1::Issuer { audiences: a.to_vec(), ..issuer(n) });
        submit(users(cluster, issuers.collect()))
    };
    // The last one takes what the others leave.
    for full in (0..bytes / longest).rev() {
        let least = asks(full, 200).encoded_len();
        let missing = bytes.checked_sub(least);
        let Some(last) = missing.map(|missing| 200 + missing).filter(|last| *last <= longest)
        else {
            continue;
        };
        // What holds it may take a byte or two more to say how long it is.
        let fitting = (last - 4..=last).map(|last| asks(full, last));
        if let Some(request) = fitting.into_iter().find(|r| r.encoded_len() == bytes) {
            return Ok(request);
        }
    }
    Err(format!("no request has {bytes} bytes").into())
}
