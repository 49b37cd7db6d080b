//! The record of rejections.

use crate::convert::parse;
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_events::Hash;
use oi_proto::v1;
use prost::Message;
use prost::bytes::Bytes;

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1000;

/// A rejection with the way in, and with the digest of what was sent: that itself may hold
/// anything, and is not kept.
pub fn with_source(rejection: v1::Rejection, source: &str, sent: &[u8]) -> v1::Rejection {
    v1::Rejection {
        source: source.to_owned(),
        payload_sha256: Hash::plain(sent).to_string(),
        payload_bytes: sent.len() as u64,
        ..rejection
    }
}

impl Gateway {
    /// A page of rejections, the newest first.
    pub(crate) async fn rejections(
        &self,
        request: v1::ListRejectionsRequest,
    ) -> Result<v1::ListRejectionsResponse, Rejected> {
        let size = if request.page_size == 0 { PAGE } else { request.page_size.min(LARGEST_PAGE) };
        let from = match request.page_token.as_str() {
            "" => None,
            token => Some(parse("page_token", token)?),
        };
        let found = self.handles.rejections.list(from, size as usize).await;
        let found = found.map_err(|e| Rejected::unavailable(&e))?;
        let next = found.last().map(|(number, _)| number - 1).filter(|next| *next > 0);
        let full = found.len() == size as usize;
        let read = |(number, bytes): &(u64, Bytes)| match v1::Rejection::decode(bytes.as_ref()) {
            Ok(rejection) => Some(v1::Rejection { number: *number, ..rejection }),
            Err(error) => {
                tracing::warn!(number, %error, "somebody else wrote among the rejections");
                None
            }
        };
        Ok(v1::ListRejectionsResponse {
            rejections: found.iter().filter_map(read).collect(),
            next_page_token: next.filter(|_| full).map(|n| n.to_string()).unwrap_or_default(),
        })
    }
}
