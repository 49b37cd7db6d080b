//! A log has one key-encryption key, whichever process asks.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_events::ClusterUid;
use oi_journal::testing::Broker;
use oi_keyring::{KeyringError, Keys};
use oi_pki::KeyEncryptionKey;
use std::sync::Arc;
use tempfile::TempDir;

fn key(dir: &TempDir, name: &str) -> Arc<KeyEncryptionKey> {
    Arc::new(KeyEncryptionKey::load_or_create(&dir.path().join(name)).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_than_the_recorded_one_is_refused() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let journal = broker.journal().await;
    let keys = |name: &str| Keys::new(journal.key_store(), key(&dir, name));
    assert!(!Keys::are_in(&journal.key_store()).await.unwrap());
    assert!(!keys("a").check(false).await.unwrap(), "nothing to compare with");
    assert!(keys("a").check(true).await.unwrap());
    assert!(keys("a").check(false).await.unwrap());
    assert!(Keys::are_in(&journal.key_store()).await.unwrap(), "another is not made");
    for record in [false, true] {
        let refused = keys("b").check(record).await.unwrap_err();
        assert!(matches!(refused, KeyringError::OtherWrapper { .. }), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_is_recorded_a_key_must_open_what_is_there() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let journal = broker.journal().await;
    let keys = |name: &str| Keys::new(journal.key_store(), key(&dir, name));
    let cluster = ClusterUid(uuid::Uuid::from_u128(7));
    keys("a").maker().key_for_new(cluster).await.unwrap();
    for record in [false, true] {
        let refused = keys("b").check(record).await.unwrap_err();
        assert!(matches!(refused, KeyringError::NotItsWrapper { .. }), "{refused}");
    }
    assert!(keys("a").check(true).await.unwrap());
    assert_eq!(journal.wrapped_keys().uids().await.unwrap().len(), 1, "an id is no key");
}
