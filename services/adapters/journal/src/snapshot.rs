//! Snapshots: a cache of folded states. Losing them costs time, and no data.

use crate::connection::{BoxError, Connection};
use crate::streams::SNAPSHOTS;
use async_nats::jetstream::object_store::GetErrorKind;
use oi_events::{CodecError, Hash};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Why a snapshot was not stored or loaded.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The snapshot has no stored form.
    #[error("the snapshot cannot be encoded")]
    Encode(#[from] CodecError),
    /// The broker does not open the bucket.
    #[error("cannot open the bucket {SNAPSHOTS}")]
    Open(#[source] BoxError),
    /// The broker did not store the snapshot.
    #[error("the snapshot was not stored")]
    Store(#[source] BoxError),
    /// The broker does not return the snapshot.
    #[error("the snapshot cannot be read")]
    Load(#[source] BoxError),
    /// The snapshot is not one.
    #[error("the snapshot is damaged")]
    Damaged(#[source] CodecError),
    /// The snapshot's content was changed.
    #[error("the snapshot is damaged: its digest is another one")]
    Changed,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    position: u64,
    digest: Hash,
    bytes: Vec<u8>,
}

/// Stores and loads snapshots. Clones share a connection.
#[derive(Clone)]
pub struct SnapshotStore(Arc<Connection>);

impl SnapshotStore {
    pub(crate) fn new(connection: Arc<Connection>) -> SnapshotStore {
        SnapshotStore(connection)
    }

    /// Stores a snapshot for a layout of the state; it replaces the one before.
    ///
    /// # Errors
    /// When the broker does not store it.
    pub async fn put(
        &self,
        schema: &str,
        position: u64,
        bytes: Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let snapshot = Snapshot { position, digest: Hash::of(&[&bytes]), bytes };
        let encoded = oi_events::to_bytes(&snapshot)?;
        let bucket = self.0.context.get_object_store(SNAPSHOTS).await;
        let bucket = bucket.map_err(|e| SnapshotError::Open(e.into()))?;
        let stored = bucket.put(schema, &mut encoded.as_slice()).await;
        stored.map(drop).map_err(|e| SnapshotError::Store(e.into()))
    }

    /// The last snapshot of a layout with its position, if there is one.
    ///
    /// # Errors
    /// When the broker does not return it, or it is damaged.
    pub async fn get(&self, schema: &str) -> Result<Option<(u64, Vec<u8>)>, SnapshotError> {
        let bucket = self.0.context.get_object_store(SNAPSHOTS).await;
        let bucket = bucket.map_err(|e| SnapshotError::Open(e.into()))?;
        let mut object = match bucket.get(schema).await {
            Ok(object) => object,
            Err(e) if e.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(SnapshotError::Load(e.into())),
        };
        let mut encoded = Vec::new();
        object.read_to_end(&mut encoded).await.map_err(|e| SnapshotError::Load(e.into()))?;
        let snapshot: Snapshot =
            oi_events::from_bytes_strict(&encoded).map_err(SnapshotError::Damaged)?;
        if Hash::of(&[&snapshot.bytes]) != snapshot.digest {
            return Err(SnapshotError::Changed);
        }
        Ok(Some((snapshot.position, snapshot.bytes)))
    }
}
