//! The record of refusals.

use crate::command::parse;
use crate::refused::Refused;
use crate::service::Gateway;
use oi_events::Hash;
use oi_proto::v1;
use prost::Message;
use prost::bytes::Bytes;

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1000;

/// A refusal with the way in, and with the digest of what was sent: that itself may hold
/// anything, and is not kept.
pub fn noted(refusal: v1::Refusal, source: &str, sent: &[u8]) -> v1::Refusal {
    v1::Refusal {
        source: source.to_owned(),
        payload_sha256: Hash::plain(sent).to_string(),
        payload_bytes: sent.len() as u64,
        ..refusal
    }
}

impl Gateway {
    /// A page of refusals, the newest first.
    pub(crate) async fn refusals(
        &self,
        request: v1::ListRefusalsRequest,
    ) -> Result<v1::ListRefusalsResponse, Refused> {
        let size = if request.page_size == 0 { PAGE } else { request.page_size.min(LARGEST_PAGE) };
        let from = match request.page_token.as_str() {
            "" => None,
            token => Some(parse("page_token", token)?),
        };
        let found = self.journal.refusals(from, size as usize).await;
        let found = found.map_err(|e| Refused::unavailable(&e))?;
        let next = found.last().map(|(number, _)| number - 1).filter(|next| *next > 0);
        let full = found.len() == size as usize;
        let read = |(number, bytes): &(u64, Bytes)| {
            // What cannot be read was written by somebody else.
            let refusal = v1::Refusal::decode(bytes.as_ref()).ok()?;
            Some(v1::Refusal { number: *number, ..refusal })
        };
        Ok(v1::ListRefusalsResponse {
            refusals: found.iter().filter_map(read).collect(),
            next_page_token: next.filter(|_| full).map(|n| n.to_string()).unwrap_or_default(),
        })
    }
}
