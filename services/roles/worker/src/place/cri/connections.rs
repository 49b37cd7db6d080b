//! Connections to hypervisors. They are made once, and shared.

use super::{CriPlace, CriPlaceError};
use oi_cri::{CriClient, Endpoint, Helper, HelperSettings, TlsFiles};
use oi_domain::Hypervisor;
use oi_events::{Generation, HypervisorName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

type Key = (HypervisorName, Generation);

/// Clients and helpers by hypervisor. Clones share them.
#[derive(Clone)]
pub struct CriPlaces {
    helper_image: Arc<str>,
    clients: Arc<Mutex<BTreeMap<Key, CriClient>>>,
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
    /// The client of the CRI endpoint.
    pub(super) fn client(&self) -> Result<CriClient, CriPlaceError> {
        let h = &self.hypervisor;
        let mut clients = self.places.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key(h)) {
            return Ok(client.clone());
        }
        let tls = h.spec.tls.as_ref().map(|t| TlsFiles {
            ca: t.ca_file.clone().into(),
            certificate: t.certificate_file.clone().into(),
            key: t.key_file.clone().into(),
        });
        let client = CriClient::new(&Endpoint::parse(&h.spec.cri_endpoint, tls)?)?;
        clients.insert(key(h), client.clone());
        Ok(client)
    }

    /// The helper, started unless it runs.
    pub(super) async fn helper(&self) -> Result<Helper, CriPlaceError> {
        let known = {
            let helpers = self.places.helpers.lock().unwrap_or_else(PoisonError::into_inner);
            helpers.get(&key(&self.hypervisor)).cloned()
        };
        match known {
            Some(helper) => Ok(helper),
            None => self.fresh_helper().await,
        }
    }

    /// The helper, looked up again.
    pub(super) async fn fresh_helper(&self) -> Result<Helper, CriPlaceError> {
        let h = &self.hypervisor;
        let settings = HelperSettings {
            hypervisor: h.spec.name.to_string(),
            image: self.places.helper_image.to_string(),
            data_dir: h.spec.data_dir.clone(),
        };
        let helper = Helper::ensure(&self.client()?, &settings).await?;
        let mut helpers = self.places.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        helpers.insert(key(h), helper.clone());
        Ok(helper)
    }

    /// Forgets the helper after it failed: it may have died, and its successor has another key.
    pub(super) fn forget_helper(&self) {
        let mut helpers = self.places.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        helpers.remove(&key(&self.hypervisor));
    }
}
