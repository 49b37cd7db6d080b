//! What is written is read again, and nothing else is.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_backup_store::{FRAME, Store, StoreError};
use oi_pki::DataKey;
use tempfile::TempDir;

const OBJECT: &str = "clusters/a/b";

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("file://{}/backups", dir.path().display())).unwrap();
    (dir, store)
}

async fn write(store: &Store, object: &str, key: &DataKey, content: &[u8]) {
    let mut writer = store.writer(object, key.clone());
    for chunk in content.chunks(700_000) {
        writer.push(chunk).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap().bytes, content.len() as u64);
}

async fn read(store: &Store, object: &str, key: &DataKey) -> Result<Vec<u8>, StoreError> {
    let mut reader = store.reader(object, key.clone()).await?;
    let mut content = Vec::new();
    while let Some(frame) = reader.next().await? {
        content.extend_from_slice(&frame);
    }
    Ok(content)
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let (_dir, store) = store();
    let key = DataKey::generate().unwrap();
    for size in [0, 1, FRAME - 1, FRAME, FRAME + 1, 6 * FRAME + 5] {
        let content: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        write(&store, OBJECT, &key, &content).await;
        assert!(read(&store, OBJECT, &key).await.unwrap() == content, "{size} bytes");
    }
}

#[tokio::test]
async fn what_was_cut_off_changed_or_moved_is_refused() {
    let (dir, store) = store();
    let key = DataKey::generate().unwrap();
    write(&store, OBJECT, &key, &vec![7; 3 * FRAME]).await;
    let file = dir.path().join("backups").join(OBJECT);
    let whole = std::fs::read(&file).unwrap();
    let frame = whole.len() / 3;
    for cut in [0, 2, frame - 1, frame, 2 * frame, whole.len() - 1] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        read(&store, OBJECT, &key).await.unwrap_err();
    }
    let mut changed = whole.clone();
    changed[frame + 100] ^= 1;
    std::fs::write(&file, changed).unwrap();
    read(&store, OBJECT, &key).await.unwrap_err();
    let moved = [&whole[frame..2 * frame], &whole[..frame], &whole[2 * frame..]].concat();
    std::fs::write(&file, moved).unwrap();
    read(&store, OBJECT, &key).await.unwrap_err();
    std::fs::write(&file, &whole).unwrap();
    std::fs::copy(&file, file.with_file_name("c")).unwrap();
    read(&store, "clusters/a/c", &key).await.unwrap_err();
    read(&store, OBJECT, &DataKey::generate().unwrap()).await.unwrap_err();
    read(&store, OBJECT, &key).await.unwrap();
}

#[tokio::test]
async fn removing_takes_all_below_a_prefix_and_nothing_else() {
    let (_dir, store) = store();
    let key = DataKey::generate().unwrap();
    for object in ["clusters/a/1", "clusters/a/2", "clusters/aa/1"] {
        write(&store, object, &key, b"x").await;
    }
    store.remove("clusters/a").await.unwrap();
    store.remove("clusters/a").await.unwrap();
    read(&store, "clusters/a/1", &key).await.unwrap_err();
    read(&store, "clusters/aa/1", &key).await.unwrap();
}

#[test]
fn what_is_no_store_is_refused() {
    for url in ["backups", "ftp://host/dir", ""] {
        Store::open(url).unwrap_err();
    }
}
