//! Making true what a job is for. Each step looks first, does what is missing, and
//! can be done again at any time.

mod backup;
mod configure;
mod control_plane;
mod etcd;
mod ingress;
mod membership;
mod passthrough;
mod probe;
mod remove;
mod restore;
mod traffic;
mod tunnel;

pub use configure::{Api, all_nodes, first};

use crate::exclusion::{Nodes, Turns};
use crate::hypervisors::{HypervisorError, Hypervisors, Turn};
use crate::pods::{PodsError, Secrets, Target};
use futures::future::try_join_all;
use oi_backup_store::Store;
use oi_cri::{
    CriClient, CriError, FileOp, Helper, HelperError, PodError, PodSpec, Sandbox, ensure_container,
    ensure_sandbox,
};
use oi_domain::Hypervisor;
use oi_events::{ClusterUid, HypervisorName, Job, JobKind, Observation};
use oi_keyring::{KeyShredder, Keyring, KeyringError};
use oi_pki::DataKey;
use oi_view::View;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Why a step did not work out. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A hypervisor.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// CRI.
    #[error(transparent)]
    Cri(#[from] CriError),
    /// A pod.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// The helper.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// The state does not describe the node.
    #[error(transparent)]
    Pods(#[from] PodsError),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// The runtime is not ready.
    #[error("the container runtime is not ready: {0}")]
    RuntimeNotReady(String),
    /// haproxy does not take its configuration.
    #[error("haproxy does not run with its new configuration: {0}")]
    Ingress(String),
    /// etcd's membership.
    #[error("etcd membership: {0}")]
    Membership(String),
    /// etcd's answer is not what etcdctl says it is.
    #[error("etcdctl's answer does not parse")]
    MembershipJson(#[from] serde_json::Error),
    /// The API server's version is not what it says it is.
    #[error("the API server's version does not parse")]
    Version(#[source] serde_json::Error),
    /// Another version answers.
    #[error("the API server runs {seen}, not {wanted}")]
    OtherVersion {
        /// What answered.
        seen: String,
        /// What must.
        wanted: String,
    },
    /// The backup store.
    #[error(transparent)]
    Store(#[from] oi_backup_store::StoreError),
    /// There is no backup store.
    #[error("no backup store is set: start oi-server with --backup-store")]
    NoStore,
    /// What is in the store is not what was recorded.
    #[error("backup {0} is not what was recorded: its SHA-256 is another one")]
    OtherBackup(String),
    /// etcdutl did not do it.
    #[error("etcdutl ended with code {code}: see its log in {log} on the hypervisor")]
    Restore {
        /// Its exit code.
        code: i32,
        /// Where its log is.
        log: String,
    },
    /// etcdutl does not end.
    #[error("etcdutl has not ended within {0:?}")]
    RestoreSlow(Duration),
    /// A component ended again.
    #[error("the controller manager or the scheduler does not keep running: see its log")]
    Unsettled,
    /// It would take back what was decided since.
    #[error("another worker has seen the log up to position {0}, and this one has not yet")]
    Behind(u64),
    /// A node is worked on.
    #[error("a job is at node {0}")]
    Busy(String),
    /// A cluster's API.
    #[error(transparent)]
    Kube(#[from] oi_cri::KubeError),
    /// None of its API servers can be asked.
    #[error("no API server of the cluster can be asked")]
    NoAnswer,
    /// There is nothing to sign with.
    #[error("the cluster has no authority")]
    NoCa,
    /// A certificate cannot be signed.
    #[error(transparent)]
    Issue(#[from] oi_pki::IssueError),
    /// An object is somebody else's.
    #[error(
        "{0} is in the cluster and was not made by oi: remove or rename it, or let oi not keep that part (`oi cluster addons`)"
    )]
    Stranger(String),
    /// An object is refused.
    #[error("the API refuses {title} with {status}: {message}")]
    Object {
        /// Which one.
        title: String,
        /// HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// The job is not one that a worker knows.
    #[error("job {0} names nothing to work on")]
    Malformed(String),
}

/// What steps work with.
#[derive(Clone)]
pub struct Steps {
    pub view: View,
    pub keyring: Keyring,
    pub key_shredder: KeyShredder,
    pub hypervisors: Hypervisors,
    pub nodes: Nodes,
    pub backups: Option<Store>,
    /// Over clusters: one pass at a time.
    pub passes: Turns<ClusterUid>,
    /// Over the ports of a hypervisor that clusters share.
    pub passages: Turns<HypervisorName>,
}

/// A node to work on, with the ways to its hypervisor.
pub struct Site {
    pub target: Target,
    pub key: DataKey,
    pub client: CriClient,
    pub helper: Helper,
}

impl Site {
    fn secrets(&self) -> Secrets<'_> {
        Secrets { target: &self.target, key: &self.key }
    }

    /// A pod's sandbox, images and files are there.
    async fn prepare(&self, pod: &PodSpec, files: &[FileOp]) -> Result<Sandbox, StepError> {
        prepare(&self.client, &self.helper, pod, files).await
    }

    /// The same, and its first container runs; whether that was started just now.
    async fn start(&self, pod: &PodSpec, files: &[FileOp]) -> Result<bool, StepError> {
        start(&self.client, &self.helper, pod, files).await
    }
}

async fn prepare(
    client: &CriClient,
    helper: &Helper,
    pod: &PodSpec,
    files: &[FileOp],
) -> Result<Sandbox, StepError> {
    let images = try_join_all(pod.containers.iter().map(|c| client.ensure_image(&c.image)));
    let (sandbox, _, changed) = tokio::try_join!(
        async { Ok::<_, StepError>(ensure_sandbox(client, pod).await?) },
        async { Ok(images.await?) },
        async { Ok(helper.put(files).await?) },
    )?;
    tracing::debug!(pod = pod.name, changed = changed.len(), "prepared");
    Ok(sandbox)
}

async fn start(
    client: &CriClient,
    helper: &Helper,
    pod: &PodSpec,
    files: &[FileOp],
) -> Result<bool, StepError> {
    let sandbox = prepare(client, helper, pod, files).await?;
    let (_, started) = ensure_container(client, &sandbox, pod, &pod.containers[0]).await?;
    Ok(started)
}

impl Steps {
    /// Does a job that is owed. Returns what is to be observed beside its success.
    pub async fn run(&self, job: &Job) -> Result<Option<Observation>, StepError> {
        let _held = match (job.cluster_uid, &job.node) {
            (Some(uid), Some(node)) => Some(self.nodes.job(uid, node).await),
            _ => None,
        };
        match job.kind {
            JobKind::ProbeHypervisor => return self.probe_hypervisor(job).await.map(Some),
            JobKind::ShredKey => {
                let uid =
                    job.cluster_uid.ok_or_else(|| StepError::Malformed(job.id.to_string()))?;
                self.drop_all_backups(uid).await?;
                self.key_shredder.destroy(uid).await?;
                return Ok(None);
            }
            JobKind::ReconcileAddons => return self.configure(job).await.map(|()| None),
            JobKind::TakeBackup => return self.take_backup(job).await,
            JobKind::DropBackup => return self.drop_backup(job).await.map(|()| None),
            JobKind::RemoveNode => return self.remove_node(job).await.map(|()| None),
            JobKind::StopNode => return self.stop_node(job).await.map(|()| None),
            JobKind::RemoveOrphan => return self.remove_orphan(job).await.map(|()| None),
            JobKind::LeaveCluster => {
                let target = self.target(job)?;
                return self.leave(&target).await.map(|()| None);
            }
            _ => {}
        }
        let site = self.site(job).await?;
        let done = match job.kind {
            JobKind::EnsureEtcd => {
                let _turn = self.turn(&site, Turn::Member).await?;
                self.ensure_etcd(&site).await
            }
            JobKind::RestoreEtcd => self.restore_etcd(&site).await,
            JobKind::EnsureControlPlane => {
                let _turn = self.turn(&site, Turn::ControlPlane).await?;
                self.ensure_control_plane(&site).await
            }
            _ => self.ensure_ingress(&site).await,
        };
        self.noted(&site.target.hypervisor, done).map(|()| None)
    }

    /// Where a helper failed, another is looked for next time: it may have died, and
    /// have another key now.
    pub fn noted<T>(
        &self,
        hypervisor: &Hypervisor,
        done: Result<T, StepError>,
    ) -> Result<T, StepError> {
        if matches!(done, Err(StepError::Helper(_))) {
            self.hypervisors.forget_helper(hypervisor);
        }
        done
    }

    async fn turn(
        &self,
        site: &Site,
        turn: Turn,
    ) -> Result<Option<OwnedSemaphorePermit>, StepError> {
        Ok(self.hypervisors.turn(&site.target.hypervisor, &site.helper, turn).await?)
    }

    fn store(&self) -> Result<&Store, StepError> {
        self.backups.as_ref().ok_or(StepError::NoStore)
    }

    fn target(&self, job: &Job) -> Result<Target, StepError> {
        let (Some(cluster), Some(node)) = (&job.cluster, &job.node) else {
            return Err(StepError::Malformed(job.id.to_string()));
        };
        self.view
            .read(|s| Target::find(s, cluster, node))
            .ok_or_else(|| PodsError::Unknown(format!("{cluster}/{node}")).into())
    }

    async fn site(&self, job: &Job) -> Result<Site, StepError> {
        self.site_of(self.target(job)?).await
    }

    /// A node's site.
    pub async fn site_of(&self, target: Target) -> Result<Site, StepError> {
        let key = self.keyring.key(target.cluster.uid).await?;
        let client = self.hypervisors.client(&target.hypervisor)?;
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
        Ok(Site { target, key, client, helper })
    }
}
