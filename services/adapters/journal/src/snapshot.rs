//! Snapshots: a cache of folded states. Losing them costs time, nothing else.

use crate::connect::Journal;
use crate::streams::SNAPSHOTS;
use oi_events::Hash;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

/// Why a snapshot was not stored.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot was not stored")]
pub struct SnapshotError(#[source] Box<dyn std::error::Error + Send + Sync>);

#[derive(Serialize, Deserialize)]
struct Snapshot {
    position: u64,
    digest: Hash,
    bytes: Vec<u8>,
}

impl Journal {
    /// Stores a snapshot for a layout of the state; it replaces the one before.
    ///
    /// # Errors
    /// Where the broker does not take it.
    pub async fn put_snapshot(
        &self,
        schema: &str,
        position: u64,
        bytes: Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let snapshot = Snapshot { position, digest: Hash::of(&[&bytes]), bytes };
        let encoded = oi_events::to_bytes(&snapshot).map_err(|e| SnapshotError(e.into()))?;
        let store =
            self.context.get_object_store(SNAPSHOTS).await.map_err(|e| SnapshotError(e.into()))?;
        store
            .put(schema, &mut encoded.as_slice())
            .await
            .map(drop)
            .map_err(|e| SnapshotError(e.into()))
    }

    /// The last snapshot of a layout with its position; none where there is none or
    /// it is damaged.
    pub async fn get_snapshot(&self, schema: &str) -> Option<(u64, Vec<u8>)> {
        let store = self.context.get_object_store(SNAPSHOTS).await.ok()?;
        let mut object = store.get(schema).await.ok()?;
        let mut encoded = Vec::new();
        if let Err(error) = object.read_to_end(&mut encoded).await {
            tracing::warn!(%error, schema, "snapshot is damaged, and not used");
            return None;
        }
        let snapshot: Snapshot = match oi_events::from_bytes_strict(&encoded) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, schema, "snapshot is damaged, and not used");
                return None;
            }
        };
        if Hash::of(&[&snapshot.bytes]) != snapshot.digest {
            tracing::warn!(schema, "snapshot is damaged, and not used");
            return None;
        }
        Some((snapshot.position, snapshot.bytes))
    }
}
