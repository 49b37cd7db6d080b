//! What is sealed: requests to the helper on a hypervisor, backups, key files. Whoever may
//! write there may write anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_backup_store::Store;
use oi_helper::{FileOp, Opener};
use oi_pki::{DataKey, KeyEncryptionKey};
use std::sync::LazyLock;
use tokio::runtime::Runtime;

static OPENER: LazyLock<Opener> = LazyLock::new(Opener::default);
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
});

async fn read(store: &Store) {
    let Ok(key) = DataKey::generate() else { return };
    let Ok(mut reader) = store.reader("object", key).await else { return };
    while let Ok(Some(_)) = reader.next().await {}
}

fuzz_target!(|data: &[u8]| {
    let [choice, data @ ..] = data else { return };
    let dir = std::env::temp_dir().join(format!("oi-fuzz-sealed-{}", std::process::id()));
    match choice % 4 {
        0 => {
            let _ = OPENER.open(&String::from_utf8_lossy(data));
        }
        1 => {
            // What is inside once it is opened.
            let _ = postcard::from_bytes::<Vec<FileOp>>(data);
        }
        2 => {
            let _ = std::fs::create_dir_all(&dir);
            if std::fs::write(dir.join("object"), data).is_ok()
                && let Ok(store) = Store::named(&format!("file://{}", dir.display()))
            {
                RUNTIME.block_on(read(&store));
            }
        }
        _ => {
            let _ = std::fs::create_dir_all(&dir);
            let path = dir.join("kek");
            if std::fs::write(&path, data).is_ok() {
                let _ = KeyEncryptionKey::load(&path);
            }
        }
    }
});
