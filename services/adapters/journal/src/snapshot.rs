//! Snapshots: a cache of folded states. Losing them costs time, and no data.

use crate::connection::{BoxError, Connection};
use crate::streams::SNAPSHOTS;
use oi_events::{CodecError, Hash};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Why a snapshot was not stored.
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

    /// The last snapshot of a layout with its position; none if there is none or it is
    /// damaged.
    pub async fn get(&self, schema: &str) -> Option<(u64, Vec<u8>)> {
        let store = self.0.context.get_object_store(SNAPSHOTS).await.ok()?;
        let mut object = store.get(schema).await.ok()?;
        let mut encoded = Vec::new();
        if let Err(error) = object.read_to_end(&mut encoded).await {
            tracing::warn!(%error, schema, "snapshot ignored: it is damaged");
            return None;
        }
        let snapshot: Snapshot = match oi_events::from_bytes_strict(&encoded) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, schema, "snapshot ignored: it is damaged");
                return None;
            }
        };
        if Hash::of(&[&snapshot.bytes]) != snapshot.digest {
            tracing::warn!(schema, "snapshot ignored: it is damaged");
            return None;
        }
        Some((snapshot.position, snapshot.bytes))
    }
}
