//! Opening data keys, and what is sealed under them.

use oi_events::{ClusterName, ClusterUid, Credential};
use oi_journal::{KeyStore, KeyStoreError};
use oi_pki::{DataKey, KeyError, KeyWrapper, Zeroizing};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why key material is not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The key store does not answer.
    #[error(transparent)]
    Store(#[from] KeyStoreError),
    /// The key was destroyed.
    #[error(
        "the data key of cluster {0} is destroyed: what was sealed under it cannot be opened again"
    )]
    Destroyed(ClusterUid),
    /// The key-encryption key of this process is not that of the log.
    #[error(
        "this key-encryption key is {own}, and the keys of this log are wrapped with {recorded}: use the key file of the other servers"
    )]
    OtherWrapper {
        /// The id of this process's.
        own: String,
        /// The id of the log's.
        recorded: String,
    },
    /// The same, where the log's is not recorded.
    #[error(
        "this key-encryption key is {own}, and does not open the keys of this log: use the key file of the other servers"
    )]
    NotItsWrapper {
        /// The id of this process's.
        own: String,
        /// Why it does not.
        #[source]
        source: KeyError,
    },
    /// It is that of some clusters only.
    #[error(
        "this log has keys of several key-encryption keys: {own} does not open those of {}; see docs/upgrading.md",
        listed(.clusters)
    )]
    SeveralWrappers {
        /// The id of this process's.
        own: String,
        /// Whose it does not open.
        clusters: Vec<ClusterName>,
    },
    /// Key material does not open, or cannot be sealed.
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

/// The clusters of a log. Keys of others are left from commands that were refused.
pub type Clusters = BTreeMap<ClusterUid, ClusterName>;

fn listed(clusters: &[ClusterName]) -> String {
    clusters.iter().map(ClusterName::as_str).collect::<Vec<_>>().join(", ")
}

/// Fetches and unwraps data keys, and remembers them. Clones share what is remembered.
#[derive(Clone)]
pub struct Keyring {
    store: KeyStore,
    wrapper: Arc<dyn KeyWrapper>,
    keys: Arc<Mutex<BTreeMap<ClusterUid, DataKey>>>,
}

/// What sealed bytes are bound to: this cluster, this name.
fn purpose(cluster: ClusterUid, name: &str) -> Vec<u8> {
    format!("oi/{cluster}/{name}").into_bytes()
}

/// What a wrapped data key is bound to.
fn data_key(cluster: ClusterUid) -> Vec<u8> {
    purpose(cluster, "data-key")
}

fn unusable(cluster: ClusterUid) -> impl Fn(KeyError) -> KeyringError {
    move |source| KeyringError::Key { cluster, what: "data key".to_owned(), source }
}

impl Keyring {
    pub(crate) fn new(store: KeyStore, wrapper: Arc<dyn KeyWrapper>) -> Keyring {
        Keyring { store, wrapper, keys: Arc::default() }
    }

    fn remembered(&self, cluster: ClusterUid) -> Option<DataKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&cluster).cloned()
    }

    fn unwrap(&self, cluster: ClusterUid, wrapped: &[u8]) -> Result<DataKey, KeyringError> {
        let key = self.wrapper.unwrap(wrapped, &data_key(cluster)).map_err(unusable(cluster))?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.entry(cluster).or_insert(key).clone())
    }

    /// Whether the id of a key-encryption key is recorded, and it is this one.
    pub(crate) async fn is_recorded(&self) -> Result<bool, KeyringError> {
        let own = self.wrapper.id();
        match self.store.wrapper().await? {
            None => Ok(false),
            Some(recorded) if recorded == own => Ok(true),
            Some(recorded) => Err(KeyringError::OtherWrapper { own, recorded }),
        }
    }

    /// Opens the keys of all clusters with the key-encryption key.
    async fn try_all(&self, clusters: &Clusters) -> Result<(), KeyringError> {
        let (mut opened, mut strange, mut last) = (0, Vec::new(), None);
        for (uid, name) in clusters {
            let Some(wrapped) = self.store.get(*uid).await? else { continue };
            match self.wrapper.unwrap(&wrapped, &data_key(*uid)) {
                Ok(_) => opened += 1,
                Err(error) => {
                    strange.push(name.clone());
                    last = Some(error);
                }
            }
        }
        let own = self.wrapper.id();
        match last {
            None => Ok(()),
            Some(source) if opened == 0 => Err(KeyringError::NotItsWrapper { own, source }),
            Some(_) => Err(KeyringError::SeveralWrappers { own, clusters: strange }),
        }
    }

    /// Compares the key-encryption key with the one whose id is recorded, and with the keys of
    /// clusters where none is. False where nothing is recorded.
    pub(crate) async fn check(
        &self,
        clusters: &Clusters,
        record: bool,
    ) -> Result<bool, KeyringError> {
        if self.is_recorded().await? {
            return Ok(true);
        }
        self.try_all(clusters).await?;
        if record {
            self.store.record_wrapper(&self.wrapper.id()).await?;
        }
        self.is_recorded().await
    }

    /// The key of a cluster that exists.
    ///
    /// # Errors
    /// [`KeyringError::Destroyed`] once the cluster was deleted.
    pub async fn key(&self, cluster: ClusterUid) -> Result<DataKey, KeyringError> {
        if let Some(key) = self.remembered(cluster) {
            return Ok(key);
        }
        let wrapped = self.store.get(cluster).await?;
        self.unwrap(cluster, &wrapped.ok_or(KeyringError::Destroyed(cluster))?)
    }

    pub(crate) async fn create(&self, cluster: ClusterUid) -> Result<DataKey, KeyringError> {
        let key = DataKey::generate().map_err(unusable(cluster))?;
        let wrapped = self.wrapper.wrap(&key, &data_key(cluster)).map_err(unusable(cluster))?;
        let stored = self.store.put_if_absent(cluster, wrapped).await?;
        self.unwrap(cluster, &stored)
    }

    pub(crate) async fn destroy(&self, cluster: ClusterUid) -> Result<(), KeyringError> {
        self.store.destroy(cluster).await?;
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&cluster);
        Ok(())
    }

    /// Forgets the keys of all other clusters. What is destroyed elsewhere must not stay here.
    pub fn retain(&self, is_known: impl Fn(ClusterUid) -> bool) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|uid, _| is_known(*uid));
    }

    /// Opens a credential's private part.
    ///
    /// # Errors
    /// [`KeyringError::Key`] when it was sealed under another key, or for another cluster or
    /// name.
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
    /// When the system's random number generator fails.
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
