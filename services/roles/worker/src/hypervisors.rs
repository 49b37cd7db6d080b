//! Connections to hypervisors, made once and shared.

use oi_backup_store::Store;
use oi_cri::{
    CriClient, CriError, Endpoint, EndpointError, Helper, HelperError, HelperSettings, TlsFiles,
};
use oi_domain::Hypervisor;
use oi_events::{Generation, HypervisorName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How a worker does its work.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// What it calls itself in its reports.
    pub name: String,
    /// The helper's image.
    pub helper_image: String,
    /// Jobs at a time.
    pub concurrency: usize,
    /// How often what is kept inside of clusters is looked at.
    pub addons_every: Duration,
    /// Where backups go; none where there are none.
    pub backups: Option<Store>,
    /// How often each job is done in a row: once, but in tests.
    pub times: usize,
}

/// Why a hypervisor is not to be reached.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// Its endpoint is malformed.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// CRI.
    #[error(transparent)]
    Cri(#[from] CriError),
    /// The helper.
    #[error(transparent)]
    Helper(#[from] HelperError),
}

type Key = (HypervisorName, Generation);
type Turns = Arc<Semaphore>;

/// Clients and helpers by hypervisor.
#[derive(Clone)]
pub struct Hypervisors {
    settings: Arc<WorkerSettings>,
    clients: Arc<Mutex<BTreeMap<Key, CriClient>>>,
    helpers: Arc<Mutex<BTreeMap<Key, Helper>>>,
    turns: Arc<Mutex<BTreeMap<(Key, Turn), Turns>>>,
}

/// What is started in turns: each kind for itself, for one may wait for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// etcd.
    Member,
    /// API server, controller manager and scheduler.
    ControlPlane,
    /// haproxy.
    Ingress,
}

impl Hypervisors {
    /// None yet.
    pub fn new(settings: Arc<WorkerSettings>) -> Hypervisors {
        Hypervisors {
            settings,
            clients: Arc::default(),
            helpers: Arc::default(),
            turns: Arc::default(),
        }
    }

    /// A client of the hypervisor; it connects when it is used.
    pub fn client(&self, h: &Hypervisor) -> Result<CriClient, HypervisorError> {
        let key = (h.spec.name.clone(), h.generation);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let tls = h.spec.tls.as_ref().map(|t| TlsFiles {
            ca: t.ca_file.clone().into(),
            certificate: t.certificate_file.clone().into(),
            key: t.key_file.clone().into(),
        });
        let client = CriClient::new(&Endpoint::parse(&h.spec.cri_endpoint, tls)?)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// The helper of the hypervisor, started where it does not run.
    pub async fn helper(&self, h: &Hypervisor) -> Result<Helper, HypervisorError> {
        let key = (h.spec.name.clone(), h.generation);
        let known = self.helpers.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        match known {
            Some(helper) => Ok(helper),
            None => self.fresh_helper(h).await,
        }
    }

    /// The helper, looked at anew: after it failed.
    pub async fn fresh_helper(&self, h: &Hypervisor) -> Result<Helper, HypervisorError> {
        let settings = HelperSettings {
            hypervisor: h.spec.name.to_string(),
            image: self.settings.helper_image.clone(),
            data_dir: h.spec.data_dir.clone(),
        };
        let helper = Helper::ensure(&self.client(h)?, &settings).await?;
        let key = (h.spec.name.clone(), h.generation);
        self.helpers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, helper.clone());
        Ok(helper)
    }

    /// Waits for a turn to start something there, which lasts until what is returned is
    /// dropped: as many have theirs at a time as it has processors, for that is what a
    /// start uses most. Many at once would all be too late.
    pub async fn turn(
        &self,
        h: &Hypervisor,
        helper: &Helper,
        turn: Turn,
    ) -> Result<Option<OwnedSemaphorePermit>, HypervisorError> {
        let key = ((h.spec.name.clone(), h.generation), turn);
        let known = self.turns.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let turns = match known {
            Some(turns) => turns,
            None => {
                let turns = Arc::new(Semaphore::new(helper.cpus().await?.max(1)));
                let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
                all.entry(key).or_insert(turns).clone()
            }
        };
        // It is never closed.
        Ok(turns.acquire_owned().await.ok())
    }

    /// Forgets a helper that did not answer.
    pub fn forget_helper(&self, h: &Hypervisor) {
        let key = (h.spec.name.clone(), h.generation);
        self.helpers.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}
