//! Names, versions, addresses, job ids and certificates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_events::{ClusterName, HypervisorName, JobId, KubernetesVersion, NodeName};

fuzz_target!(|data: &[u8]| {
    let _ = oi_pki::inspect(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What is accepted is printed as it was written.
    if let Ok(name) = text.parse::<ClusterName>() {
        assert_eq!(name.to_string(), text);
    }
    let _ = text.parse::<NodeName>();
    let _ = text.parse::<HypervisorName>();
    let _ = text.parse::<KubernetesVersion>();
    let id = JobId(text.to_owned());
    if let Some(target) = oi_events::JobTarget::parse(&id) {
        let written = target.id();
        assert_eq!(oi_events::JobTarget::parse(&written), Some(target));
    }
});
