//! What other parts need to know about a record. Each record states all of it where it is
//! declared, so nothing has a default.

use crate::credential::Credential;
use crate::ids::{ClusterName, HypervisorName, JobId, NodeName};
use crate::job::{JobKind, JobTarget};

/// What a record is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The cluster, if any.
    pub cluster: Option<ClusterName>,
    /// A second cluster, which is only read.
    pub source: Option<ClusterName>,
    /// The node, if any.
    pub node: Option<NodeName>,
    /// The hypervisor, if any.
    pub hypervisor: Option<HypervisorName>,
    /// The job, if any.
    pub job: Option<JobId>,
}

impl About {
    /// The log itself.
    pub fn log() -> About {
        About::default()
    }

    /// A hypervisor.
    pub fn hypervisor(name: &HypervisorName) -> About {
        About { hypervisor: Some(name.clone()), ..About::default() }
    }

    /// A cluster.
    pub fn cluster(name: &ClusterName) -> About {
        About { cluster: Some(name.clone()), ..About::default() }
    }

    /// A node.
    pub fn node(cluster: &ClusterName, name: &NodeName) -> About {
        About { node: Some(name.clone()), ..About::cluster(cluster) }
    }

    /// A job, and what its id names.
    pub fn job(id: &JobId) -> About {
        let about = match JobTarget::parse(id) {
            Some(JobTarget::Hypervisor { name, .. }) => About::hypervisor(&name),
            Some(JobTarget::Node { cluster, node, .. }) => About::node(&cluster, &node),
            Some(JobTarget::Cluster { name, .. }) => About::cluster(&name),
            Some(JobTarget::Backup { cluster, .. }) => About::cluster(&cluster),
            Some(JobTarget::Orphan { hypervisor, node, .. }) => {
                About { node: Some(node), ..About::hypervisor(&hypervisor) }
            }
            None => About::default(),
        };
        About { job: Some(id.clone()), ..about }
    }

    /// The same, on a hypervisor.
    #[must_use]
    pub fn on(self, hypervisor: &HypervisorName) -> About {
        About { hypervisor: Some(hypervisor.clone()), ..self }
    }

    /// The same, with a cluster that is read.
    #[must_use]
    pub fn reading(self, source: &ClusterName) -> About {
        About { source: Some(source.clone()), ..self }
    }

    /// All clusters that it names.
    pub fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.cluster.iter().chain(&self.source)
    }

    /// `<kind>.<name>` of what it names, for subjects: the job before the cluster, the
    /// cluster before the hypervisor.
    pub fn subject(&self) -> String {
        match (&self.job, &self.cluster, &self.hypervisor) {
            (Some(job), ..) => format!("job.{job}"),
            (_, Some(cluster), _) => format!("cluster.{cluster}"),
            (.., Some(hypervisor)) => format!("hypervisor.{hypervisor}"),
            (None, None, None) => "log".to_owned(),
        }
    }
}

/// Who may ask for a command. A tenant may ask only for what is about clusters of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBy {
    /// Only oi itself: workers, deciders, the gateway.
    Oi,
    /// Whoever may change clusters.
    Operator,
    /// Whoever may change hypervisors and the log.
    Admin,
}

impl AskedBy {
    /// Jobs of a hypervisor belong to its administrators, all others to operators.
    pub fn of_job(id: &JobId) -> AskedBy {
        match JobTarget::parse(id) {
            Some(target) if target.cluster().is_none() => AskedBy::Admin,
            _ => AskedBy::Operator,
        }
    }
}

/// The data key under which a decision on a command seals what it mints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// It mints nothing.
    None,
    /// The key of the cluster that the command is about.
    Standing,
    /// A key for the cluster that the command makes.
    New,
}

/// The facts of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandFacts {
    /// What it is about.
    pub about: About,
    /// The feature level at which servers read it, or what a decision on it writes.
    pub level: u16,
    /// Who may ask for it.
    pub asked_by: AskedBy,
    /// It adds work that nobody needs yet: it is refused while far too much is owed.
    pub adds_work: bool,
    /// What a decision on it needs to mint.
    pub keys: Keys,
}

/// What else changes with an event, in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The add-ons must be reconciled: other parts or tokens, another release, other CAs.
    Addons,
    /// The way to the API or to the tunnel's hub may be another one.
    Routes,
}

impl Effect {
    /// Of a job's success: an ingress runs, perhaps.
    pub fn of_success(id: &JobId) -> Effect {
        match JobTarget::parse(id).map(|target| target.kind()) {
            Some(JobKind::EnsureIngress) => Effect::Routes,
            Some(
                JobKind::ProbeHypervisor
                | JobKind::EnsureEtcd
                | JobKind::EnsureControlPlane
                | JobKind::RemoveNode
                | JobKind::ShredKey
                | JobKind::LeaveCluster
                | JobKind::StopNode
                | JobKind::RemoveOrphan
                | JobKind::TakeBackup
                | JobKind::DropBackup
                | JobKind::RestoreEtcd
                | JobKind::StageRestore
                | JobKind::ReconcileAddons
                | JobKind::PullImages,
            )
            | None => Effect::Nothing,
        }
    }
}

/// Which running containers an event replaces when it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restarts {
    /// None.
    Nothing,
    /// One of the node's.
    Container,
    /// Those of the API servers that the cluster has already.
    ApiServers,
    /// None by itself; what follows in the nodes of its cluster does.
    NewTrust,
    /// The node's, where CAs changed before and it is no ingress.
    WithNewTrust,
}

impl Restarts {
    /// Of a replaced certificate: these components read theirs only at their start.
    pub fn of_certificate(credential: &Credential) -> Restarts {
        match credential.name.as_str() {
            Credential::CONTROLLER_MANAGER | Credential::SCHEDULER => Restarts::Container,
            _ => Restarts::Nothing,
        }
    }
}

/// The facts of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFacts<'a> {
    /// What it is about.
    pub about: About,
    /// What else changes.
    pub effect: Effect,
    /// What starts again.
    pub restarts: Restarts,
    /// Key material that was minted for it.
    pub credentials: &'a [Credential],
}
