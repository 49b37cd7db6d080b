//! From a commit back to the order that led to it.

use oi_domain::State;
use oi_events::{
    BackupCommand, BackupEvent, ClusterCommand, ClusterEvent, ClusterName, Command, CommandId,
    Event, HypervisorEvent, HypervisorName, JobCommand, JobTarget, NodeCommand, NodeEvent,
    NodeName, Observation, ObservationCommand, RecordedCommit, parsed,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Why a commit is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Somebody asked for it.
    Asked,
    /// A job ended that an earlier commit owed.
    Job,
    /// A worker saw it, unasked.
    Seen,
    /// Its time had come, or something seen made it necessary.
    Due,
    /// It belongs to an earlier command.
    Follows,
}

type NodeKey = (ClusterName, NodeName);

/// Remembers, for each commit of a log that passes by, the one that led to it.
#[derive(Debug, Default)]
pub struct Causes {
    /// By position from 1: the position that led to it, 0 for none.
    before: Vec<(u64, Cause)>,
    observed: BTreeMap<HypervisorName, u64>,
    broken: BTreeMap<NodeKey, u64>,
    scheduled: BTreeMap<ClusterName, u64>,
    deletions: BTreeMap<ClusterName, u64>,
}

impl Causes {
    /// Takes the next commit, with the state before it.
    pub fn take(&mut self, state: &State, recorded: &RecordedCommit) {
        let cause = self.cause(state, recorded);
        self.before.push(cause);
        let position = recorded.position;
        for event in &recorded.commit.events {
            match event {
                Event::Hypervisor(HypervisorEvent::HypervisorObserved(e)) => {
                    self.observed.insert(e.name.clone(), position);
                }
                Event::Node(NodeEvent::MemberBroken(e)) => {
                    self.broken.insert((e.cluster.clone(), e.node.clone()), position);
                }
                Event::Backup(BackupEvent::BackupsScheduled(e)) => {
                    self.scheduled.insert(e.cluster.clone(), position);
                }
                Event::Cluster(ClusterEvent::ClusterDeletionScheduled(e)) => {
                    self.deletions.insert(e.name.clone(), position);
                }
                _ => {}
            }
        }
    }

    fn cause(&self, state: &State, recorded: &RecordedCommit) -> (u64, Cause) {
        let header = &recorded.commit.header;
        let by_itself = header.actor.starts_with("system:decider");
        let node = |cluster: &ClusterName, node: &NodeName| {
            state.clusters.get(cluster).and_then(|c| c.nodes.get(node))
        };
        let found = match &recorded.commit.command {
            Command::Job(JobCommand::ReportJob(c)) => {
                (JobTarget::parse(&c.job).map(|t| t.generation().0), Cause::Job)
            }
            Command::Observation(ObservationCommand::ReportObservation(c)) => {
                let watched = match &c.observation {
                    Observation::PodRestarted { generation, .. }
                    | Observation::MemberBroken { generation, .. }
                    | Observation::DriftRepaired { generation, .. } => Some(generation.0),
                    _ => None,
                };
                (watched, Cause::Seen)
            }
            Command::Node(NodeCommand::ReplaceNode(c)) if by_itself => {
                let broken = self.broken.get(&(c.cluster.clone(), c.name.clone()));
                let away = || self.observed.get(&node(&c.cluster, &c.name)?.hypervisor);
                (broken.or_else(away).copied(), Cause::Due)
            }
            Command::Node(NodeCommand::RenewCertificates(c)) if by_itself => {
                let rotation = state.clusters.get(&c.cluster).and_then(|c| c.rotation.as_ref());
                let rotation = rotation.map(|r| r.generation.0);
                let issued = || node(&c.cluster, &c.node).map(|n| n.added.0);
                (rotation.or_else(issued), Cause::Due)
            }
            Command::Backup(BackupCommand::BackupCluster(c)) if by_itself => {
                (self.scheduled.get(&c.name).copied(), Cause::Due)
            }
            Command::Cluster(ClusterCommand::DeleteCluster(c)) if by_itself => {
                (self.deletions.get(&c.name).copied(), Cause::Due)
            }
            _ if by_itself => (None, Cause::Due),
            _ => {
                let first = Some(header.correlation).filter(|id| *id != header.command_id);
                let first = first.and_then(|id| state.processed.position(&id));
                (first, if first.is_some() { Cause::Follows } else { Cause::Asked })
            }
        };
        // Only what came before can be a cause.
        let before = found.0.filter(|position| *position < recorded.position);
        (before.unwrap_or(0), found.1)
    }

    /// The positions from a commit back to the one that nothing before led to, each with
    /// why it is there. Empty where no such commit passed by.
    pub fn chain(&self, position: u64) -> Vec<(u64, Cause)> {
        let mut chain = Vec::new();
        let mut next = position;
        while next > 0 {
            let Ok(index) = usize::try_from(next - 1) else { break };
            let Some((before, cause)) = self.before.get(index).copied() else { break };
            chain.push((next, cause));
            next = before;
        }
        chain
    }

    /// The commit that made something what it is: a position, a job's id, a command's id
    /// (as far as `state` remembers it), `CLUSTER/NODE` or `CLUSTER`.
    pub fn find(state: &State, what: &str) -> Option<u64> {
        if let Ok(position) = what.parse::<u64>() {
            return Some(position);
        }
        if let Ok(id) = what.parse::<CommandId>() {
            return state.processed.position(&id);
        }
        if let Some(target) = JobTarget::parse(&oi_events::JobId(what.to_owned())) {
            return Some(target.generation().0);
        }
        let (cluster, node) = match what.split_once('/') {
            Some((cluster, node)) => (cluster, Some(node)),
            None => (what, None),
        };
        let cluster = state.clusters.get(&parsed(cluster)?)?;
        match node {
            Some(node) => Some(cluster.nodes.get(&parsed(node)?)?.generation.0),
            None => Some(cluster.generation.0),
        }
    }
}
