//! An exported log that somebody hands to an auditor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_audit::ArchiveReader;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("oi-fuzz-archive-{}", std::process::id()));
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if let Ok(mut archive) = ArchiveReader::open(&path) {
        while let Ok(Some(stored)) = archive.next_stored() {
            let _ = stored.decode();
        }
    }
    let _ = std::fs::remove_file(path);
});
