//! A log has one key-encryption key, whichever process asks.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_events::{ClusterName, ClusterUid};
use oi_journal::testing::Broker;
use oi_keyring::{Clusters, Held, KeyringError, Keys};
use oi_pki::KeyEncryptionKey;
use std::sync::Arc;
use tempfile::TempDir;

fn key(dir: &TempDir, name: &str) -> Arc<KeyEncryptionKey> {
    Arc::new(KeyEncryptionKey::load_or_create(&dir.path().join(name)).unwrap())
}

fn clusters(names: &[&str]) -> Clusters {
    let named =
        |(n, name): (u128, &&str)| (ClusterUid(uuid::Uuid::from_u128(n)), name.parse().unwrap());
    (1..).zip(names).map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_than_the_recorded_one_is_refused() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let journal = broker.journal().await;
    let (store, none) = (journal.key_store(), clusters(&[]));
    let keys = |name: &str| Keys::new(journal.key_store(), key(&dir, name));
    assert_eq!(Keys::held(&store, &none).await.unwrap(), Held::Nothing);
    assert!(!keys("a").check(&none, false).await.unwrap(), "nothing to compare with");
    assert!(keys("a").check(&none, true).await.unwrap());
    assert!(keys("a").check(&none, false).await.unwrap());
    assert_eq!(Keys::held(&store, &none).await.unwrap(), Held::Record, "nothing is lost with it");
    for record in [false, true] {
        let refused = keys("b").check(&none, record).await.unwrap_err();
        assert!(matches!(refused, KeyringError::OtherWrapper { .. }), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_is_recorded_a_key_must_open_what_is_there() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let journal = broker.journal().await;
    let keys = |name: &str| Keys::new(journal.key_store(), key(&dir, name));
    let all = clusters(&["blue"]);
    let uid = *all.keys().next().unwrap();
    keys("a").maker().key_for_new(uid).await.unwrap();
    assert_eq!(Keys::held(&journal.key_store(), &all).await.unwrap(), Held::Keys);
    for record in [false, true] {
        let refused = keys("b").check(&all, record).await.unwrap_err();
        assert!(matches!(refused, KeyringError::NotItsWrapper { .. }), "{refused}");
    }
    assert!(keys("a").check(&all, true).await.unwrap());
    assert_eq!(journal.wrapped_keys().uids().await.unwrap().len(), 1, "an id is no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_several_keys_is_refused_with_the_clusters_that_one_does_not_open() {
    let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
    let journal = broker.journal().await;
    let keys = |name: &str| Keys::new(journal.key_store(), key(&dir, name));
    let all = clusters(&["blue", "green", "red"]);
    // Servers of a release before made a key file each.
    for (uid, file) in all.keys().zip(["a", "b", "a"]) {
        keys(file).maker().key_for_new(*uid).await.unwrap();
    }
    for (file, others) in [("a", &["green"][..]), ("b", &["blue", "red"])] {
        for record in [false, true] {
            let refused = keys(file).check(&all, record).await.unwrap_err();
            let KeyringError::SeveralWrappers { clusters, .. } = refused else {
                panic!("{refused}")
            };
            assert_eq!(clusters.iter().map(ClusterName::as_str).collect::<Vec<_>>(), others);
        }
    }
    assert_eq!(journal.key_store().wrapper().await.unwrap(), None, "none is recorded");
    // What a refused command left is nobody's.
    let known: Clusters = all.into_iter().filter(|(_, name)| name.as_str() != "green").collect();
    assert!(keys("a").check(&known, true).await.unwrap());
}
