//! What fills a hypervisor's disk: images of older releases, helpers of older servers, audit logs
//! and snapshots that were left. Removing it again, or by several workers, changes nothing.

use super::Supervisor;
use crate::desired::{FileOp, NodeContext, etcd, names};
use crate::place::{Image, Place};
use crate::steps::StepError;
use oi_domain::{Hypervisor, State};
use oi_events::{Component, chain};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// For how long the audit log of a node that is gone is kept, as API servers keep their own.
const AUDIT_SECONDS: u64 = 30 * 24 * 3600;
/// A snapshot is uploaded within hours, or never.
const SNAPSHOT_SECONDS: u64 = 24 * 3600;

/// The images that were not needed at the last look: one that is pulled for a decision which
/// this worker does not know yet is needed at the next.
pub type Unneeded = Arc<Mutex<BTreeSet<String>>>;

impl Supervisor {
    /// Removes what nobody needs. What cannot be removed now is tried again later.
    pub(super) async fn tidy(&self, place: &Place, before: &Unneeded) {
        let hypervisor = &place.hypervisor.spec.name;
        let told = |what: &str, done: Result<(), StepError>| {
            if let Err(error) = done {
                tracing::warn!(%hypervisor, what, error = chain(&error), "not tidied");
            }
        };
        told("files", self.expire_files(place).await);
        told("helpers", place.remove_older_helpers().await.map_err(StepError::from));
        told("images", self.remove_images(place, before).await);
    }

    async fn expire_files(&self, place: &Place) -> Result<(), StepError> {
        let operations = self.steps.view.read(|s| expiries(s, &place.hypervisor));
        place.put(&operations).await?;
        Ok(())
    }

    async fn remove_images(&self, place: &Place, before: &Unneeded) -> Result<(), StepError> {
        let images = place.images().await?;
        // Read afterwards: what was begun meanwhile is in use.
        let mut used = place.used_images().await?;
        used.extend(self.steps.view.read(wanted_images));
        let unneeded = unneeded(&images, &used);
        let last = {
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            let ids = unneeded.iter().map(|image| image.id.clone()).collect();
            std::mem::replace(&mut *before, ids)
        };
        for image in unneeded.into_iter().filter(|image| last.contains(&image.id)) {
            let hypervisor = &place.hypervisor.spec.name;
            tracing::info!(%hypervisor, names = ?image.names, "removing the image: no node needs it");
            place.remove_image(image).await?;
        }
        Ok(())
    }
}

/// What expires on a hypervisor: audit logs of nodes that are gone, and snapshots beside the data
/// of members.
fn expiries(state: &State, h: &Hypervisor) -> Vec<FileOp> {
    let (path, seconds) = (names::kept_audits_dir(h), AUDIT_SECONDS);
    let mut operations = vec![FileOp::Expire { path, ending: None, seconds }];
    let nodes = state.nodes_on(&h.spec.name);
    for node in nodes.filter_map(|(cluster, name, _)| NodeContext::find(state, cluster, name)) {
        operations.extend(etcd::SNAPSHOTS.map(|ending| FileOp::Expire {
            path: etcd::snapshots_dir(&node),
            ending: Some(ending.to_owned()),
            seconds: SNAPSHOT_SECONDS,
        }));
    }
    operations
}

/// The images that nodes of the state need, or will while an upgrade is on its way.
fn wanted_images(state: &State) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for cluster in state.clusters.values() {
        let mut versions = BTreeSet::from([&cluster.spec.kubernetes_version]);
        versions.extend(cluster.upgrade.iter().flat_map(|u| [&u.from, &u.to]));
        for node in cluster.nodes.values() {
            versions.extend(Component::ALL.map(|c| node.versions.of(c)));
        }
        for version in versions {
            wanted.insert(names::etcd_image(version));
            let image = |c: Component| names::kubernetes_image(c.as_str(), version);
            wanted.extend(Component::ALL.map(image));
        }
    }
    wanted
}

/// What a tag says of the version, to be compared: its numbers. None where it says something else.
fn version(tag: &str) -> Option<Vec<u64>> {
    let numbers = tag.strip_prefix('v').unwrap_or(tag).split(['.', '-']);
    numbers.map(oi_events::parsed).collect()
}

/// Images that are older than one in use of the same name, but for the last of them: whoever goes
/// back finds that. Whatever was put there ahead of an upgrade, or is not ours, is left alone.
fn unneeded<'a>(images: &'a [Image], used: &BTreeSet<String>) -> Vec<&'a Image> {
    let mut newest: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (name, version) in used.iter().filter_map(|image| named(image)) {
        let newest = newest.entry(name).or_default();
        *newest = version.max(std::mem::take(newest));
    }
    let is_used = |i: &Image| i.names.iter().chain(&i.ids).any(|name| used.contains(name));
    let mut older: BTreeMap<&str, BTreeMap<Vec<u64>, &Image>> = BTreeMap::new();
    for image in images.iter().filter(|i| !i.pinned && !is_used(i)) {
        // One with several names may be another's, too.
        let [only] = image.names.as_slice() else { continue };
        let Some((name, version)) = named(only).filter(|(name, _)| names::is_ours(name)) else {
            continue;
        };
        if newest.get(name).is_some_and(|newest| version < *newest) {
            older.entry(name).or_default().insert(version, image);
        }
    }
    older.into_values().flat_map(|all| all.into_values().rev().skip(1)).collect()
}

/// Name and version of an image; none where it is named otherwise.
fn named(image: &str) -> Option<(&str, Vec<u64>)> {
    let (name, tag) = image.rsplit_once(':').filter(|(name, _)| !name.contains('@'))?;
    Some((name, version(tag)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: &str = "registry.k8s.io/kube-apiserver";

    fn image(name: &str) -> Image {
        let ids = vec![format!("id of {name}")];
        Image { id: ids[0].clone(), ids, names: vec![name.to_owned()], pinned: false }
    }

    fn removed(there: &[String], used: &[String]) -> Vec<String> {
        let images: Vec<Image> = there.iter().map(|name| image(name)).collect();
        let used = used.iter().cloned().collect();
        let mut names: Vec<_> =
            unneeded(&images, &used).into_iter().flat_map(|i| i.names.clone()).collect();
        names.sort();
        names
    }

    fn of(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| format!("{API}:{tag}")).collect()
    }

    #[test]
    fn older_images_go_but_for_the_previous_one() {
        let there = of(&["v1.35.2", "v1.36.2", "v1.36.9", "v1.36.10", "v1.36.11", "v1.37.0"]);
        let gone = of(&["v1.35.2", "v1.36.2"]);
        assert_eq!(removed(&there, &of(&["v1.36.10"])), gone, "9 is before 10");
        assert_eq!(removed(&there, &of(&["v1.35.2", "v1.36.10"])), of(&["v1.36.2"]), "in use");
        assert_eq!(removed(&of(&["v1.36.9", "v1.36.10"]), &of(&["v1.36.10"])), of(&[]), "again");
        assert_eq!(removed(&there, &[]), of(&[]), "nothing tells which is needed");
    }

    #[test]
    fn what_names_no_version_stays() {
        let there = of(&["v1.36.9", "v1.36.10-mine", "1f0c3a7", "latest"]);
        assert_eq!(removed(&there, &of(&["v1.36.10"])), of(&[]));
    }

    #[test]
    fn images_of_others_stay() {
        let named = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let there = named(&["example.org/app:1", "example.org/app:2", "example.org/app:3"]);
        assert_eq!(removed(&there, &named(&["example.org/app:3"])), named(&[]));
        let old = ["v1.30.1", "v1.30.2", "v1.30.3"].map(|tag| format!("{API}:{tag}"));
        let mut images: Vec<Image> = old.iter().map(|name| image(name)).collect();
        images[0].pinned = true;
        images[1].names.push("example.org/mine:1".to_owned());
        let used = BTreeSet::from([format!("{API}:v1.36.0")]);
        assert!(unneeded(&images, &used).is_empty(), "pinned, another's, and the previous one");
        let by_id = BTreeSet::from([format!("{API}:v1.36.0"), "id of x".to_owned()]);
        images[1] = Image { ids: vec!["id of x".to_owned()], ..image(&old[1]) };
        assert!(unneeded(&images, &by_id).is_empty(), "a container names it by its id");
    }
}
