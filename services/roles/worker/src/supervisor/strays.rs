//! What stands on a hypervisor and belongs to nobody: it is told, and the directories of clusters
//! that are gone are removed.

use super::Supervisor;
use super::sweep::{Owner, is_orphan};
use crate::desired::{FileOp, Labels, label, names};
use crate::place::{ListedSandbox, Place};
use crate::steps::StepError;
use oi_domain::{Hypervisor, State};
use oi_events::{ClusterUid, NodeName, Observation, StraysV1, chain, parsed};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What the look before has found: what is there only once may just have been made, or be about
/// to be removed.
pub type SeenBefore = Arc<Mutex<StraysV1>>;

/// What stands on a hypervisor.
struct Standing {
    sandboxes: Vec<ListedSandbox>,
    directories: Vec<String>,
    ports: BTreeSet<u16>,
}

impl Standing {
    /// What of it belongs to nobody.
    fn strays(&self, state: &State, h: &Hypervisor) -> StraysV1 {
        let stray = |s: &ListedSandbox| {
            let owner = Owner::of(s).filter(|owner| !owner.is_known(state, &h.spec.name))?;
            let pod = s.labels.get(label::POD).map(String::as_str).unwrap_or_default();
            Some(format!("{}/{}/{pod}", owner.uid, owner.node))
        };
        let pods: BTreeSet<String> = self.sandboxes.iter().filter_map(stray).collect();
        let directories = self.directories.iter().filter(|d| !is_known(state, h, d)).cloned();
        let ours = ports_at(state, h);
        let range = h.spec.port_low..=h.spec.port_high;
        let ports = self.ports.iter().filter(|p| range.contains(*p) && !ours.contains(p)).copied();
        StraysV1 {
            pods: pods.into_iter().collect(),
            directories: directories.collect(),
            ports: ports.collect(),
        }
    }
}

/// Whether a directory is of a node that is there, or of which something is to be removed.
fn is_known(state: &State, h: &Hypervisor, directory: &str) -> bool {
    let (uid, node) = match directory.split_once('/') {
        Some((uid, node)) => (uid, Some(node)),
        None => (directory, None),
    };
    let Some(uid) = parsed::<ClusterUid>(uid) else { return false };
    let cluster = state.cluster_of(uid);
    let Some(node) = node else { return cluster.is_some() };
    let Some(node) = parsed::<NodeName>(node) else { return false };
    // It may stand at another endpoint of the same machine.
    cluster.is_some_and(|c| c.nodes.contains_key(&node))
        || is_orphan(state, &h.spec.name, uid, &node)
}

/// The ports that nodes have at the address of a hypervisor.
fn ports_at(state: &State, h: &Hypervisor) -> BTreeSet<u16> {
    let there = state.hypervisors.values().filter(|other| other.spec.address == h.spec.address);
    let mut ports = BTreeSet::new();
    for other in there {
        let name = &other.spec.name;
        ports.extend(state.nodes_on(name).flat_map(|(_, _, n)| n.ports.values().copied()));
        ports.extend(state.routes(name).iter().map(|route| route.port));
    }
    ports
}

/// What is in both.
fn lasting(now: &StraysV1, before: &StraysV1) -> StraysV1 {
    fn both<T: PartialEq + Clone>(now: &[T], before: &[T]) -> Vec<T> {
        now.iter().filter(|one| before.contains(one)).cloned().collect()
    }
    StraysV1 {
        pods: both(&now.pods, &before.pods),
        directories: both(&now.directories, &before.directories),
        ports: both(&now.ports, &before.ports),
    }
}

impl Supervisor {
    /// Looks for what belongs to nobody, and tells of what did so already the last time. A
    /// directory that cannot be removed keeps nothing else from being told.
    pub(super) async fn look_for_strays(&self, place: &Place, before: &SeenBefore) {
        if let Err(error) = self.find_strays(place, before).await {
            let (hypervisor, error) = (&place.hypervisor.spec.name, chain(&error));
            tracing::debug!(%hypervisor, error, "not looked for what belongs to nobody");
        }
    }

    async fn find_strays(&self, place: &Place, before: &SeenBefore) -> Result<(), StepError> {
        let h = &place.hypervisor;
        let standing = Standing {
            sandboxes: place.sandboxes(&Labels::new()).await?,
            directories: place.directories().await?,
            ports: place.listening().await?,
        };
        let now = self.steps.view.read(|s| standing.strays(s, h));
        let last = {
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *before, now.clone())
        };
        let mut strays = lasting(&now, &last);
        let mut stay = Vec::new();
        for directory in strays.directories {
            match self.removed(place, &directory).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    let (hypervisor, error) = (&h.spec.name, chain(&error));
                    tracing::warn!(%hypervisor, directory, error, "belongs to nobody, and cannot be removed");
                }
            }
            stay.push(directory);
        }
        strays.directories = stay;
        self.tell_strays(h, strays);
        Ok(())
    }

    /// Removes a directory of a cluster that is gone. Whether it did.
    async fn removed(&self, place: &Place, directory: &str) -> Result<bool, StepError> {
        let uid = directory.split('/').next().and_then(parsed::<ClusterUid>);
        let gone = |uid: &ClusterUid| self.steps.view.read(|s| s.deleted.has(*uid));
        let Some(uid) = uid.filter(gone) else { return Ok(false) };
        let (h, path) = (&place.hypervisor, names::cluster_dir(&place.hypervisor, uid));
        // What is owed of another node of it is left to its job.
        if self.steps.view.read(|s| has_orphans(s, h, uid)) {
            return Ok(false);
        }
        tracing::warn!(hypervisor = %h.spec.name, path, "belongs to nobody: removing it");
        place.put(&[FileOp::Remove { path }]).await?;
        Ok(true)
    }

    fn tell_strays(&self, h: &Hypervisor, strays: StraysV1) {
        let name = h.spec.name.clone();
        let counts = [
            ("pod", strays.pods.len()),
            ("directory", strays.directories.len()),
            ("port", strays.ports.len()),
        ];
        for (kind, count) in counts {
            let count = 0_i64.saturating_add_unsigned(count as u64);
            self.metrics.strays.with_label_values(&[name.as_str(), kind]).set(count);
        }
        let generation = h.generation;
        let seen = Observation::StraysSeen { name, generation, strays }.shortened();
        let Observation::StraysSeen { strays, .. } = &seen else { return };
        let is_news = self.steps.view.read(|s| {
            let known = s.hypervisors.get(&h.spec.name);
            s.level() >= seen.level() && known.is_some_and(|known| known.strays != *strays)
        });
        if is_news {
            self.steps.reporter.observe_now(seen);
        }
    }
}

fn has_orphans(state: &State, h: &Hypervisor, uid: ClusterUid) -> bool {
    let known = state.hypervisors.get(&h.spec.name);
    known.is_some_and(|h| h.orphans_of(uid).next().is_some())
}
