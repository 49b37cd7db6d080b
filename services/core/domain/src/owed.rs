//! Which work the state owes: a pure function, so that losing the queue loses
//! nothing.

use crate::state::{Backup, Cluster, ClusterPhase, Hypervisor, Node, Orphan, Reach, State};
use oi_events::{
    BackupId, ClusterName, ClusterUid, Event, Generation, HypervisorName, Job, JobId, JobKind,
    NodeName, Role,
};
use std::sync::Arc;

/// What a job id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobTarget {
    /// Work on a hypervisor.
    Hypervisor {
        /// Which one.
        name: HypervisorName,
        /// Its generation.
        generation: Generation,
    },
    /// Work on a node.
    Node {
        /// The cluster.
        cluster: ClusterName,
        /// The node.
        node: NodeName,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
    /// Work on what is left of a node.
    Orphan {
        /// Where.
        hypervisor: HypervisorName,
        /// Which life of its cluster.
        cluster_uid: ClusterUid,
        /// The node.
        node: NodeName,
        /// The generation that left it.
        generation: Generation,
    },
    /// Work on a backup.
    Backup {
        /// The cluster.
        cluster: ClusterName,
        /// The backup.
        backup: BackupId,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
    /// Work on a cluster as a whole.
    Cluster {
        /// Which one.
        name: ClusterName,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
}

const CLUSTER_STEPS: [JobKind; 2] = [JobKind::ShredKey, JobKind::ReconcileAddons];

const BACKUP_STEPS: [JobKind; 2] = [JobKind::TakeBackup, JobKind::DropBackup];

const NODE_STEPS: [JobKind; 7] = [
    JobKind::EnsureEtcd,
    JobKind::EnsureControlPlane,
    JobKind::EnsureIngress,
    JobKind::RemoveNode,
    JobKind::LeaveCluster,
    JobKind::StopNode,
    JobKind::RestoreEtcd,
];

impl JobTarget {
    /// Reads a job id; none where it is not one of ours.
    pub fn parse(id: &JobId) -> Option<JobTarget> {
        let parts: Vec<&str> = id.0.split('.').collect();
        let generation = |s: &str| s.parse().map(Generation).ok();
        match parts.as_slice() {
            ["hypervisor", name, g, "probe"] => {
                Some(JobTarget::Hypervisor { name: name.parse().ok()?, generation: generation(g)? })
            }
            ["node", cluster, node, g, step] => Some(JobTarget::Node {
                cluster: cluster.parse().ok()?,
                node: node.parse().ok()?,
                generation: generation(g)?,
                step: NODE_STEPS.into_iter().find(|k| k.token() == *step)?,
            }),
            ["hypervisor", name, g, "leftover", uid, node] => Some(JobTarget::Orphan {
                hypervisor: name.parse().ok()?,
                cluster_uid: uid.parse().ok()?,
                node: node.parse().ok()?,
                generation: generation(g)?,
            }),
            ["backup", cluster, backup, g, step] => Some(JobTarget::Backup {
                cluster: cluster.parse().ok()?,
                backup: backup.parse().ok()?,
                generation: generation(g)?,
                step: BACKUP_STEPS.into_iter().find(|k| k.token() == *step)?,
            }),
            ["cluster", name, g, step] => Some(JobTarget::Cluster {
                name: name.parse().ok()?,
                generation: generation(g)?,
                step: CLUSTER_STEPS.into_iter().find(|k| k.token() == *step)?,
            }),
            _ => None,
        }
    }

    /// The generation of what it is for.
    pub fn generation(&self) -> Generation {
        match self {
            JobTarget::Hypervisor { generation, .. }
            | JobTarget::Node { generation, .. }
            | JobTarget::Orphan { generation, .. }
            | JobTarget::Backup { generation, .. }
            | JobTarget::Cluster { generation, .. } => *generation,
        }
    }

    /// The cluster it is for, if any.
    pub fn cluster(&self) -> Option<&ClusterName> {
        match self {
            JobTarget::Hypervisor { .. } | JobTarget::Orphan { .. } => None,
            JobTarget::Backup { cluster, .. } => Some(cluster),
            JobTarget::Node { cluster, .. } => Some(cluster),
            JobTarget::Cluster { name, .. } => Some(name),
        }
    }

    /// The hypervisor that it is about, if it is about one as such.
    pub fn hypervisor(&self) -> Option<&HypervisorName> {
        match self {
            JobTarget::Hypervisor { name, .. } => Some(name),
            JobTarget::Orphan { hypervisor, .. } => Some(hypervisor),
            JobTarget::Node { .. } | JobTarget::Cluster { .. } | JobTarget::Backup { .. } => None,
        }
    }

    /// The backup that it is about, if any.
    pub fn backup(&self) -> Option<BackupId> {
        match self {
            JobTarget::Backup { backup, .. } => Some(*backup),
            _ => None,
        }
    }
}

/// The id of a job: a pure function of what it is for.
pub fn job_id(target: &JobTarget) -> JobId {
    JobId(match target {
        JobTarget::Hypervisor { name, generation } => {
            format!("hypervisor.{name}.{generation}.probe")
        }
        JobTarget::Node { cluster, node, generation, step } => {
            format!("node.{cluster}.{node}.{generation}.{}", step.token())
        }
        JobTarget::Orphan { hypervisor, cluster_uid, node, generation } => {
            format!("hypervisor.{hypervisor}.{generation}.leftover.{cluster_uid}.{node}")
        }
        JobTarget::Backup { cluster, backup, generation, step } => {
            format!("backup.{cluster}.{backup}.{generation}.{}", step.token())
        }
        JobTarget::Cluster { name, generation, step } => {
            format!("cluster.{name}.{generation}.{}", step.token())
        }
    })
}

/// A part of the state that owes jobs by itself: what an event changes elsewhere
/// changes nothing here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All hypervisors.
    Hypervisors,
    /// One cluster.
    Cluster(ClusterName),
}

impl Scope {
    /// Where an event may change what is owed.
    pub fn of(event: &Event) -> Scope {
        let cluster = |name: &ClusterName| Scope::Cluster(name.clone());
        let job = |id| Scope::of_job(id).unwrap_or(Scope::Hypervisors);
        match event {
            Event::HypervisorRegistered(_)
            | Event::HypervisorCordoned(_)
            | Event::PortsShared(_)
            | Event::HypervisorObserved(_)
            | Event::HypervisorUnregistered(_)
            | Event::OrphanRemoved(_)
            | Event::OrphanForgotten(_)
            | Event::OrphansForgotten(_)
            | Event::FeatureLevelRaised(_) => Scope::Hypervisors,
            Event::AddonsSet(e) => cluster(&e.cluster),
            Event::JoinTokenCreated(e) => cluster(&e.cluster),
            Event::JoinTokenEnded(e) => cluster(&e.cluster),
            Event::DriftRepaired(e) => cluster(&e.cluster),
            Event::TunnelEnabled(e) => cluster(&e.cluster),
            Event::TunnelPeerAdded(e) => cluster(&e.cluster),
            Event::TunnelPeerRemoved(e) => cluster(&e.cluster),
            Event::EndpointSet(e) => cluster(&e.cluster),
            Event::AuthenticationSet(e) => cluster(&e.cluster),
            Event::AuthenticationRolledOut(e) => cluster(&e.cluster),
            Event::ClusterCreated(e) => cluster(&e.name),
            Event::ClusterDeletionStarted(e) => cluster(&e.name),
            Event::ClusterDeleted(e) => cluster(&e.name),
            Event::ClusterBecameReady(e) => cluster(&e.name),
            Event::NodeAdded(e) => cluster(&e.cluster),
            Event::CertificateReplaced(e) => cluster(&e.cluster),
            Event::NodeChanged(e) => cluster(&e.cluster),
            Event::NodeRemovalStarted(e) => cluster(&e.cluster),
            Event::NodeRemoved(e) => cluster(&e.cluster),
            Event::NodeReplacementStarted(e) => cluster(&e.cluster),
            // Its hypervisor owes nothing before it answers again.
            Event::NodeOrphaned(e) => cluster(&e.cluster),
            Event::UpgradeStarted(e) => cluster(&e.name),
            Event::UpgradeChanged(e) => cluster(&e.name),
            Event::ComponentVersionChanged(e) => cluster(&e.cluster),
            Event::UpgradeEnded(e) => cluster(&e.name),
            Event::ClusterHibernated(e) => cluster(&e.name),
            Event::ClusterDeletionScheduled(e) => cluster(&e.name),
            Event::PodRestarted(e) => cluster(&e.cluster),
            Event::KubeconfigIssued(e) => cluster(&e.cluster),
            Event::ComponentsChanged(e) => cluster(&e.cluster),
            Event::MemberBroken(e) => cluster(&e.cluster),
            Event::BackupStarted(e) => cluster(&e.cluster),
            Event::BackupTaken(e) => cluster(&e.cluster),
            Event::BackupsScheduled(e) => cluster(&e.cluster),
            Event::BackupExpired(e) => cluster(&e.cluster),
            Event::BackupDeleted(e) => cluster(&e.cluster),
            Event::RestoreStarted(e) => cluster(&e.cluster),
            Event::RestoreEnded(e) => cluster(&e.cluster),
            Event::RotationStarted(e) => cluster(&e.cluster),
            Event::RotationAdvanced(e) => cluster(&e.cluster),
            Event::RotationEnded(e) => cluster(&e.cluster),
            Event::JobSucceeded(e) => job(&e.job),
            Event::JobFailed(e) => job(&e.job),
            Event::JobRetried(e) => job(&e.job),
            Event::JobDeadLettered(e) => job(&e.job),
        }
    }

    /// Where a job belongs; none where its id is not one of ours.
    pub fn of_job(id: &JobId) -> Option<Scope> {
        JobTarget::parse(id).map(|target| Scope::of_target(&target))
    }

    fn of_target(target: &JobTarget) -> Scope {
        target.cluster().map_or(Scope::Hypervisors, |c| Scope::Cluster(c.clone()))
    }

    /// All scopes of a state.
    pub fn all(state: &State) -> impl Iterator<Item = Scope> {
        let clusters = state.clusters.keys().cloned().map(Scope::Cluster);
        std::iter::once(Scope::Hypervisors).chain(clusters)
    }
}

/// All jobs that the state owes, in a fixed order. A job that has failed is owed
/// again once its pause is over (see [`due`](crate::due)).
pub fn owed(state: &State) -> Vec<Job> {
    Scope::all(state).flat_map(|scope| owed_in(state, &scope)).collect()
}

/// The jobs that one scope owes. Its cost does not grow with the number of clusters.
pub fn owed_in(state: &State, scope: &Scope) -> Vec<Job> {
    let mut jobs = jobs_in(state, scope);
    jobs.retain(|job| state.failures.get(&job.id).is_none_or(|t| t.retry_at_ms.is_none()));
    jobs
}

/// The same with those that wait after a failure.
pub fn jobs_in(state: &State, scope: &Scope) -> Vec<Job> {
    match scope {
        Scope::Hypervisors => owed_by_hypervisors(state),
        Scope::Cluster(name) => {
            state.clusters.get(name).map(|c| owed_by_cluster(name, c)).unwrap_or_default()
        }
    }
}

/// Whether a job is owed, and its pause is over.
pub fn is_owed(state: &State, job: &JobId) -> bool {
    is_unfinished(state, job) && state.failures.get(job).is_none_or(|t| t.retry_at_ms.is_none())
}

/// Whether a job is owed, now or after a pause.
pub fn is_unfinished(state: &State, job: &JobId) -> bool {
    let Some(target) = JobTarget::parse(job) else { return false };
    // Most jobs are for nodes: no other needs to be looked at.
    if let JobTarget::Node { cluster, node, generation, step } = &target {
        return state.clusters.get(cluster).is_some_and(|c| {
            c.nodes.get(node).is_some_and(|n| n.generation == *generation)
                && owed_steps(c, node).contains(step)
        }) && job_id(&target) == *job;
    }
    jobs_in(state, &Scope::of_target(&target)).iter().any(|j| j.id == *job)
}

fn owed_by_hypervisors(state: &State) -> Vec<Job> {
    let unprepared = state.hypervisors.iter().filter(|(_, h)| !h.prepared);
    let back = state.hypervisors.iter().filter(|(_, h)| matches!(h.reach, Reach::Reachable(_)));
    let orphans = back.flat_map(|(name, h)| h.orphans.iter().map(move |l| orphan(name, l)));
    let job = |(name, h): (&HypervisorName, &Arc<Hypervisor>)| {
        let target = JobTarget::Hypervisor { name: name.clone(), generation: h.generation };
        Job {
            id: job_id(&target),
            kind: JobKind::ProbeHypervisor,
            hypervisor: Some(name.clone()),
            cluster: None,
            cluster_uid: None,
            node: None,
            generation: h.generation,
        }
    };
    unprepared.map(job).chain(orphans).collect()
}

fn orphan(hypervisor: &HypervisorName, left: &Orphan) -> Job {
    let target = JobTarget::Orphan {
        hypervisor: hypervisor.clone(),
        cluster_uid: left.cluster_uid,
        node: left.node.clone(),
        generation: left.generation,
    };
    Job {
        id: job_id(&target),
        kind: JobKind::RemoveOrphan,
        hypervisor: Some(hypervisor.clone()),
        cluster: Some(left.cluster.clone()),
        cluster_uid: Some(left.cluster_uid),
        node: Some(left.node.clone()),
        generation: left.generation,
    }
}

/// The jobs of one cluster, those in trouble included.
fn owed_by_cluster(name: &ClusterName, cluster: &Cluster) -> Vec<Job> {
    let mut jobs = Vec::new();
    let whole = |step: JobKind, generation: Generation| {
        let target = JobTarget::Cluster { name: name.clone(), generation, step: step.clone() };
        Job {
            id: job_id(&target),
            kind: step,
            hypervisor: None,
            cluster: Some(name.clone()),
            cluster_uid: Some(cluster.uid),
            node: None,
            generation,
        }
    };
    if cluster.phase == ClusterPhase::Deleting && cluster.nodes.is_empty() {
        jobs.push(whole(JobKind::ShredKey, cluster.generation));
    }
    if let Some(addons) = cluster.addons.as_ref().filter(|i| !i.done && cluster.answers()) {
        jobs.push(whole(JobKind::ReconcileAddons, addons.generation));
    }
    jobs.extend(owed_by_backups(name, cluster));
    for (node_name, node) in &cluster.nodes {
        for step in owed_steps(cluster, node_name) {
            let target = JobTarget::Node {
                cluster: name.clone(),
                node: node_name.clone(),
                generation: node.generation,
                step: step.clone(),
            };
            jobs.push(Job {
                id: job_id(&target),
                kind: step,
                hypervisor: Some(node.hypervisor.clone()),
                cluster: Some(name.clone()),
                cluster_uid: Some(cluster.uid),
                node: Some(node_name.clone()),
                generation: node.generation,
            });
        }
    }
    jobs
}

/// Backups that are not taken yet, while a member can be asked; those that are to go.
fn owed_by_backups(name: &ClusterName, cluster: &Cluster) -> Vec<Job> {
    if cluster.phase == ClusterPhase::Deleting {
        // All of them go with the key.
        return Vec::new();
    }
    let answers = !cluster.hibernated
        && cluster.restore.is_none()
        && cluster.control_planes().iter().any(|(_, n)| n.joined);
    let step = |b: &Backup| match (b.expired, &b.snapshot) {
        (true, _) => Some(JobKind::DropBackup),
        (false, None) if answers => Some(JobKind::TakeBackup),
        _ => None,
    };
    let job = |(id, b): (&BackupId, &Backup)| {
        let (kind, generation) = (step(b)?, b.generation);
        let (cluster_name, backup) = (name.clone(), *id);
        let target =
            JobTarget::Backup { cluster: cluster_name, backup, generation, step: kind.clone() };
        Some(Job {
            id: job_id(&target),
            kind,
            hypervisor: None,
            cluster: Some(name.clone()),
            cluster_uid: Some(cluster.uid),
            node: None,
            generation,
        })
    };
    cluster.backups.iter().filter_map(job).collect()
}

/// What a restore asks of a node before it starts again: all of the cluster stop, then
/// all data is put in place. None where it may start.
fn owed_by_restore(cluster: &Cluster, node: &Node) -> Option<Vec<JobKind>> {
    cluster.restore.as_ref().filter(|_| node.role != Role::ControlPlaneIngress)?;
    let mine = |n: &&Arc<Node>| n.role != Role::ControlPlaneIngress && !n.removing;
    let all = |step: JobKind, of: fn(&Node) -> bool| {
        cluster.nodes.values().filter(mine).filter(|n| of(n)).all(|n| n.done.contains(&step))
    };
    let missing = |step: JobKind| if node.done.contains(&step) { vec![] } else { vec![step] };
    if !all(JobKind::StopNode, |_| true) {
        return Some(missing(JobKind::StopNode));
    }
    let is_member = |n: &Node| n.role == Role::ControlPlane;
    if !all(JobKind::RestoreEtcd, is_member) {
        let steps = if is_member(node) { missing(JobKind::RestoreEtcd) } else { vec![] };
        return Some(steps);
    }
    None
}

/// etcd members come one at a time, the oldest first, and an API server waits
/// for its own member; the very first node's parts all start at once.
fn owed_steps(cluster: &Cluster, name: &NodeName) -> Vec<JobKind> {
    let Some(node) = cluster.nodes.get(name) else { return Vec::new() };
    let not_done = |step: &JobKind| !node.done.contains(step);
    if node.removing {
        return vec![if cluster.owes_leave(node) {
            JobKind::LeaveCluster
        } else {
            JobKind::RemoveNode
        }];
    }
    if cluster.hibernated {
        return [JobKind::StopNode].into_iter().filter(not_done).collect();
    }
    if let Some(steps) = owed_by_restore(cluster, node) {
        return steps;
    }
    if node.role != Role::ControlPlane {
        // They come after the first member: before, they would only be in its way.
        let useful = cluster.control_planes().iter().any(|(_, n)| n.joined);
        return node.steps().iter().filter(|s| useful && not_done(s)).cloned().collect();
    }
    let older_are_members = cluster
        .control_planes()
        .into_iter()
        .take_while(|(other, _)| *other != name)
        .all(|(_, older)| older.joined);
    let leaving = cluster.nodes.values().any(|other| cluster.owes_leave(other));
    // A member that starts anew under its API server is kept out of the way of clients.
    let at_once = cluster.is_oldest(name) && cluster.rotation.is_none();
    node.steps()
        .iter()
        .filter(|step| not_done(step))
        .filter(|step| match step {
            // A quorum of those that were members already comes back together.
            JobKind::EnsureEtcd => node.joined || (older_are_members && !leaving),
            _ => at_once || node.done.contains(&JobKind::EnsureEtcd),
        })
        .cloned()
        .collect()
}
