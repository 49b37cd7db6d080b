//! The helper's pod.

use super::{HelperSettings, PROGRAM};
use crate::spec::{ContainerSpec, Mount, PodSpec, label};
use sha2::{Digest, Sha256};

/// Describes the pod. Servers of two releases each have a helper of their own: neither replaces
/// the other's.
pub fn pod(settings: &HelperSettings) -> PodSpec {
    let image = hex::encode(&Sha256::digest(&settings.image)[..4]);
    let identity =
        [(label::POD, "helper"), (label::NODE, &settings.hypervisor), (label::HELPER, &image)]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
    PodSpec {
        name: format!("oi-helper-{image}"),
        namespace: "oi".to_owned(),
        uid: format!("oi-helper-{image}-{}", settings.hypervisor),
        identity: identity.into(),
        on_host: true,
        containers: vec![ContainerSpec {
            name: "helper".to_owned(),
            image: settings.image.clone(),
            command: [PROGRAM, "serve", "--root", &settings.data_dir].map(str::to_owned).to_vec(),
            mounts: vec![Mount::writable(&settings.data_dir, &settings.data_dir)],
            ..ContainerSpec::default()
        }],
        ..PodSpec::default()
    }
}
