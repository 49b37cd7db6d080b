//! The data keys of clusters, unwrapped when they are needed.

use oi_events::{ClusterUid, Credential};
use oi_journal::{Journal, KeyStoreError};
use oi_pki::{DataKey, KeyError, KeyWrapper, Zeroizing};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a private part cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The key store does not answer.
    #[error(transparent)]
    Store(#[from] KeyStoreError),
    /// The key is gone for good.
    #[error("the data key of cluster {0} is destroyed: what was sealed under it is gone for good")]
    Destroyed(ClusterUid),
    /// Sealed under another key.
    #[error("key material of cluster {cluster} ({what})")]
    Key {
        /// The cluster.
        cluster: ClusterUid,
        /// Which material.
        what: String,
        /// Why.
        #[source]
        source: KeyError,
    },
}

/// Fetches, unwraps and remembers data keys. Clones share what is remembered.
#[derive(Clone)]
pub struct Keyring {
    journal: Journal,
    wrapper: Arc<dyn KeyWrapper>,
    keys: Arc<Mutex<BTreeMap<ClusterUid, DataKey>>>,
}

/// What sealed bytes are bound to: this cluster, this name.
fn purpose(cluster: ClusterUid, name: &str) -> Vec<u8> {
    format!("oi/{cluster}/{name}").into_bytes()
}

impl Keyring {
    /// A keyring over the journal's key store.
    pub fn new(journal: Journal, wrapper: Arc<dyn KeyWrapper>) -> Keyring {
        Keyring { journal, wrapper, keys: Arc::default() }
    }

    fn remembered(&self, cluster: ClusterUid) -> Option<DataKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&cluster).cloned()
    }

    fn remember(&self, cluster: ClusterUid, wrapped: &[u8]) -> Result<DataKey, KeyringError> {
        let key = self
            .wrapper
            .unwrap(wrapped, &purpose(cluster, "data-key"))
            .map_err(|source| KeyringError::Key { cluster, what: "data key".to_owned(), source })?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.entry(cluster).or_insert(key).clone())
    }

    /// The key of a cluster that exists.
    ///
    /// # Errors
    /// [`KeyringError::Destroyed`] once the cluster was deleted.
    pub async fn key(&self, cluster: ClusterUid) -> Result<DataKey, KeyringError> {
        if let Some(key) = self.remembered(cluster) {
            return Ok(key);
        }
        let wrapped = self.journal.get_key(cluster).await?;
        self.remember(cluster, &wrapped.ok_or(KeyringError::Destroyed(cluster))?)
    }

    /// The key of a cluster that is about to exist. However many ask, there is one.
    ///
    /// # Errors
    /// Where it cannot be made or stored.
    pub async fn key_for_new(&self, cluster: ClusterUid) -> Result<DataKey, KeyringError> {
        let failed = |source| KeyringError::Key { cluster, what: "data key".to_owned(), source };
        let key = DataKey::generate().map_err(failed)?;
        let wrapped = self.wrapper.wrap(&key, &purpose(cluster, "data-key")).map_err(failed)?;
        let standing = self.journal.put_key_if_absent(cluster, wrapped).await?;
        self.remember(cluster, &standing)
    }

    /// Destroys a cluster's key for good.
    ///
    /// # Errors
    /// Where the key store does not answer.
    pub async fn destroy(&self, cluster: ClusterUid) -> Result<(), KeyringError> {
        self.journal.destroy_key(cluster).await?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&cluster);
        Ok(())
    }

    /// Opens a credential's private part.
    ///
    /// # Errors
    /// Where the key is destroyed or another one.
    pub fn open(
        key: &DataKey,
        cluster: ClusterUid,
        credential: &Credential,
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        key.open(&purpose(cluster, &credential.name), &credential.sealed)
            .map_err(|source| KeyringError::Key { cluster, what: credential.name.clone(), source })
    }

    /// Seals a private part under a name.
    ///
    /// # Errors
    /// Where the system's randomness fails.
    pub fn seal(
        key: &DataKey,
        cluster: ClusterUid,
        name: &str,
        private: &[u8],
    ) -> Result<Vec<u8>, KeyringError> {
        key.seal(&purpose(cluster, name), private).map_err(|source| KeyringError::Key {
            cluster,
            what: name.to_owned(),
            source,
        })
    }
}
