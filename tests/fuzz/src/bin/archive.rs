//! An exported log that somebody hands to an auditor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_audit::ArchiveReader;

/// How an archive begins.
const MAGIC: &[u8] = b"oi-archive/1\n";

fuzz_target!(|data: &[u8]| {
    // What is inside, rather than the compression around it.
    let Ok(compressed) = zstd::encode_all(data, 1) else { return };
    let path = std::env::temp_dir().join(format!("oi-fuzz-archive-{}", std::process::id()));
    if std::fs::write(&path, [MAGIC, &compressed].concat()).is_err() {
        return;
    }
    if let Ok(mut archive) = ArchiveReader::open(&path) {
        while let Ok(Some(stored)) = archive.next_stored() {
            let _ = stored.decode();
        }
    }
    let _ = std::fs::remove_file(path);
});
