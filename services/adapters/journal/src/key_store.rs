//! Wrapped data keys: the only data beside the log that cannot be rebuilt from it, and that
//! must be deletable for good. A plain stream, not a bucket: purging a bucket's key leaves
//! its bytes in the stored block, deleting a message overwrites them.

use crate::connection::{BoxError, Connection, is_subject_taken};
use crate::streams::KEYS;
use crate::subjects;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures::TryStreamExt;
use oi_events::ClusterUid;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;

/// Why the key store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The broker does not open the store.
    #[error("cannot open the key store {KEYS}")]
    Open(#[source] BoxError),
    /// The keys cannot be listed.
    #[error("cannot list the keys in {KEYS}")]
    List(#[source] BoxError),
    /// A key cannot be read.
    #[error("cannot read a key from {KEYS}")]
    Read(#[source] BoxError),
    /// A key was not stored.
    #[error("cannot store a key in {KEYS}")]
    Store(#[source] BoxError),
    /// A key was not destroyed.
    #[error("cannot destroy a key in {KEYS}")]
    Destroy(#[source] BoxError),
}

fn failed<E: Error + Send + Sync + 'static>(
    step: fn(BoxError) -> KeyStoreError,
) -> impl Fn(E) -> KeyStoreError {
    move |e| step(e.into())
}

impl Connection {
    /// The newest message of the key store on a subject.
    async fn key_message(&self, subject: &str) -> Result<Option<StreamMessage>, KeyStoreError> {
        let open = failed(KeyStoreError::Open);
        let stream = self.context.get_stream_no_info(KEYS).await.map_err(open)?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(Some(message)),
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(e) => Err(KeyStoreError::Read(e.into())),
        }
    }

    async fn key(&self, uid: ClusterUid) -> Result<Option<Vec<u8>>, KeyStoreError> {
        Ok(self.key_message(&subjects::key(uid)).await?.map(|m| m.payload.to_vec()))
    }
}

/// Reads, stores and destroys wrapped keys. Clones share a connection.
#[derive(Clone)]
pub struct KeyStore(Arc<Connection>);

impl KeyStore {
    pub(crate) fn new(connection: Arc<Connection>) -> KeyStore {
        KeyStore(connection)
    }

    /// Stores a wrapped key unless its cluster has one, and returns the one that is stored.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn put_if_absent(
        &self,
        uid: ClusterUid,
        wrapped: Vec<u8>,
    ) -> Result<Vec<u8>, KeyStoreError> {
        let message = PublishMessage::build().payload(wrapped.clone().into());
        match self.0.store(subjects::key(uid), message).await {
            Ok(_) => Ok(wrapped),
            Err(e) if is_subject_taken(&e) => {
                self.get(uid).await?.ok_or_else(|| KeyStoreError::Store(e.into()))
            }
            Err(e) => Err(KeyStoreError::Store(e.into())),
        }
    }

    /// The wrapped key of a cluster; none once it is destroyed.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn get(&self, uid: ClusterUid) -> Result<Option<Vec<u8>>, KeyStoreError> {
        self.0.key(uid).await
    }

    /// Destroys a key: the broker overwrites its bytes on disk, and what was sealed under it
    /// can never be opened again. Succeeds if there is none.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn destroy(&self, uid: ClusterUid) -> Result<(), KeyStoreError> {
        let Some(message) = self.0.key_message(&subjects::key(uid)).await? else { return Ok(()) };
        let open = failed(KeyStoreError::Open);
        let stream = self.0.context.get_stream_no_info(KEYS).await.map_err(open)?;
        let deleted = stream.delete_message(message.sequence).await;
        deleted.map(drop).map_err(failed(KeyStoreError::Destroy))
    }

    /// The id of the key that wraps all others; none where none is recorded.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn wrapper(&self) -> Result<Option<String>, KeyStoreError> {
        let message = self.0.key_message(subjects::WRAPPER).await?;
        Ok(message.map(|m| String::from_utf8_lossy(&m.payload).into_owned()))
    }

    /// Records the id of the key that wraps all others unless one is recorded.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn record_wrapper(&self, id: &str) -> Result<(), KeyStoreError> {
        let message = PublishMessage::build().payload(id.to_owned().into());
        match self.0.store(subjects::WRAPPER, message).await {
            Ok(_) => Ok(()),
            Err(e) if is_subject_taken(&e) => Ok(()),
            Err(e) => Err(KeyStoreError::Store(e.into())),
        }
    }
}

/// Lists and reads wrapped keys. Clones share a connection.
#[derive(Clone)]
pub struct WrappedKeys(Arc<Connection>);

impl WrappedKeys {
    pub(crate) fn new(connection: Arc<Connection>) -> WrappedKeys {
        WrappedKeys(connection)
    }

    /// The clusters that have keys. Needs no permission to read the keys.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn uids(&self) -> Result<BTreeSet<ClusterUid>, KeyStoreError> {
        let stream = self.0.context.get_stream(KEYS).await.map_err(failed(KeyStoreError::Open))?;
        let listed = stream.info_with_subjects(subjects::KEYS).await;
        let mut listed = listed.map_err(failed(KeyStoreError::List))?;
        let mut uids = BTreeSet::new();
        while let Some((subject, _)) =
            listed.try_next().await.map_err(failed(KeyStoreError::List))?
        {
            uids.extend(subjects::key_uid(&subject));
        }
        Ok(uids)
    }

    /// All wrapped keys.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn all(&self) -> Result<BTreeMap<ClusterUid, Vec<u8>>, KeyStoreError> {
        let mut keys = BTreeMap::new();
        for uid in self.uids().await? {
            if let Some(wrapped) = self.0.key(uid).await? {
                keys.insert(uid, wrapped);
            }
        }
        Ok(keys)
    }
}
