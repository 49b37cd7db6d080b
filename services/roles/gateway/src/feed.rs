//! The feed: each event of the log as a message for other services, in the order of the log.
//!
//! What stands at which sequence of the feed follows from the log alone, so that any number
//! of gateways can extend it, and a feed that was deleted comes back the same. Where two
//! extend it at once, one of them finds another end than it expected, and looks again.

use crate::watch::{Place, messages, place};
use futures::FutureExt;
use oi_events::chain;
use oi_journal::{CLOUD_EVENT_ID, Feed, FeedEnd, FeedMessage, Follower, Log, ReadError};
use oi_proto::v1;
use prost::Message;
use std::time::Duration;

/// So many events are written at once, where so many are behind.
const BATCH: usize = 400;
const PAUSE: Duration = Duration::from_millis(200);
/// The same where somebody else wrote into the feed.
const FOREIGN: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum ExtendError {
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("the feed cannot be extended")]
    Feed(#[from] oi_journal::FeedError),
    #[error("message {sequence} of the feed is not one of oi: its id is {id:?}")]
    Foreign { sequence: u64, id: Option<String> },
}

/// The place of the feed's last event; none if it has none.
fn last_place(end: &FeedEnd) -> Result<Option<Place>, ExtendError> {
    if end.sequence == 0 {
        return Ok(None);
    }
    let found = end.id.as_deref().and_then(place);
    let foreign = || ExtendError::Foreign { sequence: end.sequence, id: end.id.clone() };
    found.map(Some).ok_or_else(foreign)
}

/// Keeps the feed at the end of the log.
pub async fn extend_for_ever(log: Log, feed: Feed) {
    loop {
        let Err(error) = extend(&log, &feed).await else { continue };
        let pause = match &error {
            ExtendError::Foreign { .. } => {
                tracing::error!(%error, "the feed does not go on: delete it, and it comes back");
                FOREIGN
            }
            _ => {
                tracing::debug!(error = chain(&error), "the feed begins anew");
                PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn extend(log: &Log, feed: &Feed) -> Result<(), ExtendError> {
    let end = feed.end().await?;
    let (mut last, mut sequence) = (last_place(&end)?, end.sequence);
    let mut follower = log.follow(last.map_or(1, |(position, _)| position));
    loop {
        let mut batch = gather(&mut follower).await?;
        loop {
            batch.retain(|(place, _)| Some(*place) > last);
            let Some((through, _)) = batch.last() else { break };
            let through = *through;
            let events: Vec<FeedMessage> = batch.iter().map(|(_, event)| event.clone()).collect();
            let Err(error) = feed.extend(&events, sequence).await else {
                sequence += events.len() as u64;
                last = Some(through);
                break;
            };
            // Another gateway was faster: what it wrote is left out here.
            let end = feed.end().await?;
            let there = last_place(&end)?;
            if end.sequence <= sequence || there <= last {
                return Err(error.into());
            }
            (sequence, last) = (end.sequence, there);
        }
    }
}

/// The next events, and those that are there already.
async fn gather(follower: &mut Follower) -> Result<Vec<(Place, FeedMessage)>, ReadError> {
    let mut batch = Vec::new();
    let mut next = Some(follower.next().await);
    while let Some(recorded) = next {
        let recorded = recorded?;
        let events = messages(&recorded);
        batch.extend(events.map(|e| ((e.position, e.index), feed_message(&e))));
        next = if batch.len() < BATCH { follower.next().now_or_never() } else { None };
    }
    Ok(batch)
}

/// An event in the binary mode of CloudEvents 1.0 for NATS.
fn feed_message(event: &v1::WatchResponse) -> FeedMessage {
    let about = [&event.cluster, &event.hypervisor].into_iter().find(|name| !name.is_empty());
    let about = about.map_or("none", String::as_str);
    let time = match i64::try_from(event.time_ms).map(jiff::Timestamp::from_millisecond) {
        Ok(Ok(time)) => time,
        // After the year 9999.
        Ok(Err(_)) | Err(_) => jiff::Timestamp::MAX,
    };
    FeedMessage {
        subject: format!("oi.feed.{}.{about}", event.event),
        headers: vec![
            ("ce-specversion", "1.0".to_owned()),
            (CLOUD_EVENT_ID, event.resume_token.clone()),
            ("ce-source", "/oi/log".to_owned()),
            ("ce-type", format!("oi.v1.{}", event.event)),
            ("ce-subject", about.to_owned()),
            ("ce-time", time.to_string()),
            ("ce-dataschema", "oi/v1/oi.proto#oi.v1.WatchResponse".to_owned()),
            ("Content-Type", "application/protobuf".to_owned()),
        ],
        payload: event.encode_to_vec(),
    }
}
