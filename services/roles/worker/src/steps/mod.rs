//! What a worker does for a job: one file for each kind of job.
//!
//! [`desired`](crate::desired) describes what must run, and a [`place`](crate::place) runs it.
//! A step compares the two and changes what differs.
//!
//! # Guarantees
//!
//! - A step that succeeds leaves what its job asks for, whatever it found.
//! - A step restarts nothing that is as it must be, so that a job may run again at any time.
//! - A step may be cut off anywhere. Running it again completes the work.
//! - Steps of several workers may overlap, for the same job too: the outcome is the same.
//! - A step never undoes a later decision: sandboxes and containers carry the generation of their
//!   node, and a place refuses to change a pod with one of a higher generation. Shared ports and
//!   add-ons carry the position or generation that they were made from.
//! - While a job runs, the supervisor of the same worker leaves its node alone, and a job that ends
//!   what runs there has the node to itself.
//! - A job that is no longer owed is cut off ([`job_runner`](crate::job_runner)). What it may have
//!   started by then, a supervisor removes.
//!
//! # Assumptions
//!
//! - The view has reached the job's generation ([`job_runner`](crate::job_runner) waits for it).
//! - The job was owed a moment ago. When it is not owed any more, its outcome changes nothing.
//! - Supervisors of other workers do not respect the node locks of this one. A container that
//!   one of them brings back is removed by the next look of a supervisor.

mod drop_backup;
mod ensure_control_plane;
mod ensure_etcd;
mod ensure_ingress;
mod error;
mod leave_cluster;
mod probe_hypervisor;
mod pull_images;
mod reconcile_addons;
mod remove_node;
mod remove_orphan;
mod restore_etcd;
mod shared;
mod shred_key;
mod stage_restore;
mod stop_node;
mod take_backup;

pub use error::StepError;

use crate::desired::{DesiredError, NodeContext, names};
use crate::locks::{KeyedMutex, NodeGuard, NodeLocks};
use crate::place::{NodeSession, Place, Places, StartKind, StartLimiter, Turn};
use crate::reporter::Reporter;
use oi_backup_store::Store;
use oi_domain::{Hypervisor, is_owed};
use oi_events::{ClusterUid, Generation, HypervisorName, Job, JobKind, JobOutput, NodeName};
use oi_keyring::{KeyShredder, Keyring};
use oi_view::View;
use std::sync::Arc;
use std::time::Duration;

/// What steps work with. Clones share everything.
#[derive(Clone)]
pub struct Steps {
    pub view: View,
    pub keyring: Keyring,
    pub key_shredder: KeyShredder,
    pub places: Places,
    pub reporter: Reporter,
    pub backups: Option<Store>,
    pub start_limiter: StartLimiter,
    pub node_locks: NodeLocks,
    /// One reconciliation of a cluster's add-ons at a time.
    pub addon_locks: KeyedMutex<ClusterUid>,
    /// One change of a hypervisor's shared ports at a time.
    pub port_locks: KeyedMutex<HypervisorName>,
}

impl Steps {
    /// Runs a job that is owed. Returns what its report must carry.
    pub async fn run(&self, job: &Job) -> Result<JobOutput, StepError> {
        let _held = match (job.cluster_uid, &job.node) {
            (Some(uid), Some(node)) => Some(self.lock(job.kind, uid, node).await),
            _ => None,
        };
        // The lock may have been waited for.
        self.still_owed(job)?;
        match job.kind {
            JobKind::TakeBackup => return self.take_backup(job).await,
            JobKind::ProbeHypervisor => self.probe_hypervisor(job).await,
            JobKind::EnsureEtcd => self.ensure_etcd(job).await,
            JobKind::StageRestore => self.stage_restore(job).await,
            JobKind::RestoreEtcd => self.restore_etcd(job).await,
            JobKind::EnsureControlPlane => self.ensure_control_plane(job).await,
            JobKind::EnsureIngress => self.ensure_ingress(job).await,
            JobKind::LeaveCluster => self.leave_cluster(job).await,
            JobKind::StopNode => self.stop_node(job).await,
            JobKind::RemoveNode => self.remove_node(job).await,
            JobKind::RemoveOrphan => self.remove_orphan(job).await,
            JobKind::DropBackup => self.drop_backup(job).await,
            JobKind::ShredKey => self.shred_key(job).await,
            JobKind::ReconcileAddons => self.reconcile_addons(job).await,
            JobKind::PullImages => self.pull_images(job).await,
        }?;
        Ok(JobOutput::None)
    }

    /// Keeps the supervisor, and jobs that do not fit together, off a node.
    async fn lock(&self, kind: JobKind, uid: ClusterUid, node: &NodeName) -> NodeGuard {
        match kind {
            JobKind::StopNode
            | JobKind::RestoreEtcd
            | JobKind::LeaveCluster
            | JobKind::RemoveNode
            | JobKind::RemoveOrphan => self.node_locks.for_removal(uid, node).await,
            JobKind::ProbeHypervisor
            | JobKind::EnsureEtcd
            | JobKind::EnsureControlPlane
            | JobKind::EnsureIngress
            | JobKind::StageRestore
            | JobKind::TakeBackup
            | JobKind::DropBackup
            | JobKind::ShredKey
            | JobKind::ReconcileAddons
            | JobKind::PullImages => self.node_locks.for_job(kind, uid, node).await,
        }
    }

    /// Refuses to go on where the view knows that a job is not owed any more: it is asked again
    /// right before what cannot be undone. Returns up to which generation it is: all decisions up
    /// to there are known. What a worker that slept does not know yet is of a later one, and the
    /// hypervisor refuses to touch that.
    fn still_owed(&self, job: &Job) -> Result<Generation, StepError> {
        let known = self.view.read(|s| is_owed(s, &job.id).then_some(Generation(s.position)));
        known.ok_or_else(|| StepError::NotOwed(job.id.to_string()))
    }

    /// Ends all pods of the node of a job that is to have none: each that is not of a later
    /// decision than those that are known.
    async fn end_node(
        &self,
        job: &Job,
        ctx: &NodeContext,
        grace: Duration,
    ) -> Result<(), StepError> {
        let labels = names::node_labels(ctx.cluster.uid, &ctx.name);
        let known = self.still_owed(job)?;
        if self.place_of(ctx).end_pods_until(&labels, known, grace).await? {
            return Err(StepError::Later { node: ctx.name.to_string(), known: known.0 });
        }
        Ok(())
    }

    /// The node of a job.
    fn node(&self, job: &Job) -> Result<NodeContext, StepError> {
        let cluster = required(job, job.cluster.as_ref())?;
        let node = required(job, job.node.as_ref())?;
        self.view
            .read(|s| NodeContext::find(s, cluster, node))
            .ok_or_else(|| DesiredError::Unknown(format!("{cluster}/{node}")).into())
    }

    /// The node of a job, to work on.
    async fn session(&self, job: &Job) -> Result<NodeSession, StepError> {
        self.session_of(self.node(job)?).await
    }

    /// A node to work on.
    pub async fn session_of(&self, ctx: NodeContext) -> Result<NodeSession, StepError> {
        let key = self.keyring.key(ctx.cluster.uid).await?;
        let place = self.places.at(&ctx.hypervisor);
        place.open().await?;
        Ok(NodeSession { ctx, key, place })
    }

    /// The hypervisor of a job.
    fn hypervisor(&self, job: &Job) -> Result<Arc<Hypervisor>, StepError> {
        let name = required(job, job.hypervisor.as_ref())?;
        let found = self.view.read(|s| s.hypervisors.get(name).cloned());
        required(job, found)
    }

    /// The place of a node.
    fn place_of(&self, ctx: &NodeContext) -> Place {
        self.places.at(&ctx.hypervisor)
    }

    /// Waits until something of this kind may start in the place.
    pub async fn turn(&self, session: &NodeSession, kind: StartKind) -> Result<Turn, StepError> {
        Ok(self.start_limiter.turn(&session.place, kind).await?)
    }

    fn store(&self) -> Result<&Store, StepError> {
        self.backups.as_ref().ok_or(StepError::NoStore)
    }
}

/// A part of a job that its kind requires.
fn required<T>(job: &Job, part: Option<T>) -> Result<T, StepError> {
    part.ok_or_else(|| StepError::Malformed(job.id.to_string()))
}
