//! The data keys of clusters: stored wrapped, unwrapped when they are needed.
//!
//! [`Keys`] joins the key store with the key-encryption key. Composition roots hold it and
//! pass on handles: [`Keyring`] to those who open key material, [`KeyMaker`] to deciders,
//! [`KeyShredder`] to workers.

mod keyring;

pub use keyring::{Clusters, Keyring, KeyringError};

use oi_events::ClusterUid;
use oi_journal::KeyStore;
use oi_pki::{DataKey, KeyWrapper};
use std::sync::Arc;

/// What there is of a log's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Neither keys nor the id of the key-encryption key.
    Nothing,
    /// The id only.
    Record,
    /// Keys of clusters.
    Keys,
}

/// The data keys of clusters, for composition roots.
pub struct Keys(Keyring);

impl Keys {
    /// The keys in a store, wrapped by `wrapper`.
    pub fn new(store: KeyStore, wrapper: Arc<dyn KeyWrapper>) -> Keys {
        Keys(Keyring::new(store, wrapper))
    }

    /// What there is of a log's keys: a new key-encryption key would open none of them.
    ///
    /// # Errors
    /// When the key store does not answer.
    pub async fn held(store: &KeyStore, clusters: &Clusters) -> Result<Held, KeyringError> {
        for uid in clusters.keys() {
            if store.get(*uid).await?.is_some() {
                return Ok(Held::Keys);
            }
        }
        Ok(if store.wrapper().await?.is_some() { Held::Record } else { Held::Nothing })
    }

    /// Compares the key-encryption key with the log's. Whoever makes keys records its id where
    /// there is none. True once it is recorded.
    ///
    /// # Errors
    /// [`KeyringError::OtherWrapper`] or [`KeyringError::NotItsWrapper`] where it is another one,
    /// [`KeyringError::SeveralWrappers`] where it is not the only one.
    pub async fn check(&self, clusters: &Clusters, record: bool) -> Result<bool, KeyringError> {
        self.0.check(clusters, record).await
    }

    /// Whether the id of the log's key-encryption key is recorded, and it is this one.
    ///
    /// # Errors
    /// [`KeyringError::OtherWrapper`] where it is another one.
    pub async fn is_recorded(&self) -> Result<bool, KeyringError> {
        self.0.is_recorded().await
    }

    /// Opens key material.
    pub fn keyring(&self) -> Keyring {
        self.0.clone()
    }

    /// Creates keys.
    pub fn maker(&self) -> KeyMaker {
        KeyMaker(self.0.clone())
    }

    /// Destroys keys.
    pub fn shredder(&self) -> KeyShredder {
        KeyShredder(self.0.clone())
    }
}

/// Creates the keys of new clusters. Clones share a keyring.
#[derive(Clone)]
pub struct KeyMaker(Keyring);

impl KeyMaker {
    /// The key of a cluster that is about to exist. However many deciders ask for it, there
    /// is one.
    ///
    /// # Errors
    /// When it cannot be generated, wrapped or stored.
    pub async fn key_for_new(&self, cluster: ClusterUid) -> Result<DataKey, KeyringError> {
        self.0.create(cluster).await
    }
}

/// Destroys the keys of deleted clusters. Clones share a keyring.
#[derive(Clone)]
pub struct KeyShredder(Keyring);

impl KeyShredder {
    /// Destroys a cluster's key: what was sealed under it can never be opened again.
    /// Succeeds if there is none.
    ///
    /// # Errors
    /// When the key store does not answer.
    pub async fn destroy(&self, cluster: ClusterUid) -> Result<(), KeyringError> {
        self.0.destroy(cluster).await
    }
}
