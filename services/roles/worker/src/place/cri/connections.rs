//! Connections to hypervisors. They are made once, and shared, until their certificates are renewed.

use super::{CriPlace, CriPlaceError};
use oi_clock::now_ms;
use oi_cri::{CriClient, Endpoint, FileTimes, Helper, HelperSettings, TlsFiles};
use oi_domain::Hypervisor;
use oi_events::{Generation, HypervisorName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the files of a connection are looked at.
const LOOK: Duration = Duration::from_secs(2);

type Key = (HypervisorName, Generation);

/// A client, and the files that it has read.
struct Known {
    client: CriClient,
    files: FileTimes,
    looked: Instant,
}

/// Clients and helpers by hypervisor. Clones share them.
#[derive(Clone)]
pub struct CriPlaces {
    helper_image: Arc<str>,
    clients: Arc<Mutex<BTreeMap<Key, Known>>>,
    helpers: Arc<Mutex<BTreeMap<Key, Helper>>>,
}

fn key(h: &Hypervisor) -> Key {
    (h.spec.name.clone(), h.generation)
}

impl CriPlaces {
    /// No connections yet. `helper_image` is the image of the helper.
    pub fn new(helper_image: &str) -> CriPlaces {
        CriPlaces {
            helper_image: helper_image.into(),
            clients: Arc::default(),
            helpers: Arc::default(),
        }
    }

    /// A hypervisor. It is connected to when it is used.
    pub fn at(&self, hypervisor: &Arc<Hypervisor>) -> CriPlace {
        CriPlace { hypervisor: hypervisor.clone(), places: self.clone() }
    }
}

impl CriPlace {
    /// The client of the CRI endpoint. Files that were replaced are read again; where they are of
    /// no use, it stays as it was.
    pub(super) fn client(&self) -> Result<CriClient, CriPlaceError> {
        let key = key(&self.hypervisor);
        let mut clients = self.places.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = clients.get_mut(&key) else {
            let new = self.connect()?;
            let client = new.client.clone();
            clients.insert(key, new);
            return Ok(client);
        };
        if known.looked.elapsed() < LOOK {
            return Ok(known.client.clone());
        }
        known.looked = Instant::now();
        if self.endpoint()?.file_times() != known.files {
            match self.connect() {
                Ok(new) => {
                    tracing::info!(hypervisor = %self.hypervisor.spec.name, "TLS files read again");
                    *known = new;
                    self.forget_helper();
                }
                Err(error) => tracing::warn!(
                    hypervisor = %self.hypervisor.spec.name,
                    error = oi_events::chain(&error),
                    "TLS files changed, and are of no use yet"
                ),
            }
        }
        Ok(known.client.clone())
    }

    fn endpoint(&self) -> Result<Endpoint, CriPlaceError> {
        let spec = &self.hypervisor.spec;
        let tls = spec.tls.as_ref().map(|t| TlsFiles {
            ca: t.ca_file.clone().into(),
            certificate: t.certificate_file.clone().into(),
            key: t.key_file.clone().into(),
        });
        Ok(Endpoint::parse(&spec.cri_endpoint, tls)?)
    }

    fn connect(&self) -> Result<Known, CriPlaceError> {
        let endpoint = self.endpoint()?;
        // Before they are read: what changes meanwhile is read again.
        let files = endpoint.file_times();
        Ok(Known { client: CriClient::new(&endpoint)?, files, looked: Instant::now() })
    }

    /// The helper, started unless it runs.
    pub(super) async fn helper(&self) -> Result<Helper, CriPlaceError> {
        // A helper has a client, too: it is forgotten with it.
        self.client()?;
        let known = {
            let helpers = self.places.helpers.lock().unwrap_or_else(PoisonError::into_inner);
            helpers.get(&key(&self.hypervisor)).cloned()
        };
        match known {
            Some(helper) => Ok(helper),
            None => self.fresh_helper().await,
        }
    }

    fn helper_settings(&self) -> HelperSettings {
        let spec = &self.hypervisor.spec;
        HelperSettings {
            hypervisor: spec.name.to_string(),
            image: self.places.helper_image.to_string(),
            data_dir: spec.data_dir.clone(),
        }
    }

    /// The helper, looked up again.
    pub(super) async fn fresh_helper(&self) -> Result<Helper, CriPlaceError> {
        let helper = Helper::ensure(&self.client()?, &self.helper_settings()).await?;
        let mut helpers = self.places.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        helpers.insert(key(&self.hypervisor), helper.clone());
        Ok(helper)
    }

    /// Removes helpers that older releases have left, for long.
    pub async fn remove_older_helpers(&self) -> Result<(), CriPlaceError> {
        Ok(Helper::remove_older(&self.client()?, &self.helper_settings(), now_ms()).await?)
    }

    /// Forgets the helper after it failed: it may have died, and its successor has another key.
    pub(super) fn forget_helper(&self) {
        let mut helpers = self.places.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        helpers.remove(&key(&self.hypervisor));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use oi_cri::fake::FakeCri;
    use oi_events::RegisterHypervisorV1;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use std::path::Path;
    use tonic::transport::{Certificate, Identity, ServerTlsConfig};

    type Ca = CertifiedIssuer<'static, KeyPair>;

    fn ca() -> Ca {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(ca: &Ca) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
    }

    fn write(dir: &Path, (certificate, key): &(String, String)) {
        std::fs::write(dir.join("crt"), certificate).unwrap();
        std::fs::write(dir.join("key"), key).unwrap();
    }

    #[tokio::test]
    async fn renewed_certificates_are_read_without_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, strangers) = (ca(), ca());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (certificate, key) = leaf(&ours);
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(certificate, key))
            .client_ca_root(Certificate::from_pem(ours.pem()));
        let _serving = FakeCri::new(dir.path()).serve_tls(listener, tls).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("ca"), ours.pem()).unwrap();
        let spec = RegisterHypervisorV1 {
            name: "hv-1".parse().unwrap(),
            cri_endpoint: format!("tcp://localhost:{port}"),
            tls: Some(oi_events::TlsFiles {
                ca_file: path("ca"),
                certificate_file: path("crt"),
                key_file: path("key"),
            }),
            public: false,
            address: "127.0.0.1".parse().unwrap(),
            port_low: 30_000,
            port_high: 30_099,
            data_dir: path("data"),
            max_nodes: None,
        };
        let hypervisor = Arc::new(Hypervisor::registered(spec, Generation(1), 0));
        let place = CriPlaces::new("oi-helper").at(&hypervisor);
        // As one that has ended: the endpoint does not take it.
        write(dir.path(), &leaf(&strangers));
        place.client().unwrap().version().await.unwrap_err();
        write(dir.path(), &leaf(&ours));
        tokio::time::sleep(LOOK).await;
        assert_eq!(place.client().unwrap().version().await.unwrap(), "fake v1");
        // What is of no use changes nothing.
        std::fs::write(path("crt"), "junk").unwrap();
        tokio::time::sleep(LOOK).await;
        assert_eq!(place.client().unwrap().version().await.unwrap(), "fake v1");
    }
}
