//! Wrapped data keys: the one thing beside the log that cannot be rebuilt from it,
//! and must be deletable for good. A plain stream, not a bucket: purging a bucket's
//! key leaves its bytes in the stored block, deleting a message overwrites them.

use crate::append::server_code;
use crate::connect::Journal;
use crate::streams::KEYS;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures::TryStreamExt;
use oi_events::ClusterUid;
use std::collections::{BTreeMap, BTreeSet};

/// Why the key store did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the key store {KEYS} does not answer")]
pub struct KeyStoreError(#[source] Box<dyn std::error::Error + Send + Sync>);

fn failed<E: std::error::Error + Send + Sync + 'static>(e: E) -> KeyStoreError {
    KeyStoreError(Box::new(e))
}

fn subject(uid: ClusterUid) -> String {
    format!("oi.keys.{uid}")
}

impl Journal {
    /// Stores a wrapped key unless there is one, and returns the one that stands.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn put_key_if_absent(
        &self,
        uid: ClusterUid,
        wrapped: Vec<u8>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let message = PublishMessage::build().payload(wrapped.clone().into());
        let published = match self.context.send_publish(subject(uid), message).await {
            Ok(ack) => ack.await,
            Err(e) => Err(e),
        };
        match published {
            Ok(_) => Ok(wrapped),
            // There is one: «maximum messages per subject exceeded».
            Err(e) if server_code(&e) == Some(10077) => {
                self.get_key(uid).await?.ok_or_else(|| failed(e))
            }
            Err(e) => Err(failed(e)),
        }
    }

    async fn key_message(&self, uid: ClusterUid) -> Result<Option<StreamMessage>, KeyStoreError> {
        let stream = self.context.get_stream_no_info(KEYS).await.map_err(failed)?;
        match stream.get_last_raw_message_by_subject(&subject(uid)).await {
            Ok(message) => Ok(Some(message)),
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// The wrapped key of a cluster; none once it is destroyed.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn get_key(&self, uid: ClusterUid) -> Result<Option<Vec<u8>>, KeyStoreError> {
        Ok(self.key_message(uid).await?.map(|m| m.payload.to_vec()))
    }

    /// The clusters whose keys there are. It needs no permission to read them.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn key_uids(&self) -> Result<BTreeSet<ClusterUid>, KeyStoreError> {
        let stream = self.context.get_stream(KEYS).await.map_err(failed)?;
        let mut subjects = stream.info_with_subjects("oi.keys.>").await.map_err(failed)?;
        let mut uids = BTreeSet::new();
        while let Some(subject) = subjects.try_next().await.map_err(failed)? {
            uids.extend(
                subject.0.strip_prefix("oi.keys.").and_then(|uid| uid.parse::<ClusterUid>().ok()),
            );
        }
        Ok(uids)
    }

    /// All wrapped keys.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn keys(&self) -> Result<BTreeMap<ClusterUid, Vec<u8>>, KeyStoreError> {
        let mut keys = BTreeMap::new();
        for uid in self.key_uids().await? {
            if let Some(wrapped) = self.get_key(uid).await? {
                keys.insert(uid, wrapped);
            }
        }
        Ok(keys)
    }

    /// Destroys a key: its bytes are overwritten in the broker's files, and what was
    /// sealed under it stays sealed for good.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn destroy_key(&self, uid: ClusterUid) -> Result<(), KeyStoreError> {
        let Some(message) = self.key_message(uid).await? else { return Ok(()) };
        let stream = self.context.get_stream_no_info(KEYS).await.map_err(failed)?;
        stream.delete_message(message.sequence).await.map(drop).map_err(failed)
    }
}
