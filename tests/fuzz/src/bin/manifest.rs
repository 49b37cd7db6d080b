//! The YAML documents of `oi reconcile`: what can be read must be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_proto::manifest;

fuzz_target!(|text: &str| {
    if let Ok(documents) = manifest::read(text) {
        let written = manifest::write(&documents).expect("what was read can be written");
        assert_eq!(manifest::read(&written).expect("what was written can be read"), documents);
    }
});
