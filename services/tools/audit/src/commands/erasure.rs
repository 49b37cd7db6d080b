//! `oi-audit verify-erasure`.

use super::Context;
use crate::error::Failure;
use oi_audit::{ArchiveReader, AuditError, Source, fold};
use oi_domain::State;
use oi_events::{
    AddonsEvent, ClusterEvent, ClusterName, ClusterUid, Event, NodeEvent, RecordedCommit,
    RotationEvent, TunnelEvent,
};
use oi_inspect::rfc3339;
use oi_journal::WrappedKeys;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A cluster from its creation to its deletion.
struct Life {
    name: String,
    created: u64,
    /// The position and time of its deletion.
    deleted: Option<(u64, u64)>,
    /// How many items were sealed under its key.
    sealed: usize,
}

/// How many items an event seals, with the cluster whose key seals them.
fn sealed(event: &Event) -> Option<(&ClusterName, usize)> {
    Some(match event {
        Event::Node(NodeEvent::NodeAdded(e)) => (&e.cluster, e.credentials.len()),
        Event::Rotation(RotationEvent::RotationStarted(e)) => (&e.cluster, e.credentials.len()),
        Event::Node(NodeEvent::CertificateReplaced(e)) => (&e.cluster, 1),
        Event::Addons(AddonsEvent::JoinTokenCreated(e)) => (&e.cluster, 1),
        Event::Tunnel(TunnelEvent::TunnelEnabled(e)) => (&e.cluster, 1),
        _ => return None,
    })
}

#[derive(Default)]
struct Lives(BTreeMap<ClusterUid, Life>);

impl Lives {
    /// Takes the next commit, with the state before it.
    fn take(&mut self, state: &State, recorded: &RecordedCommit) {
        let (position, time) = (recorded.position, recorded.commit.header.time_ms);
        for event in &recorded.commit.events {
            if let Event::Cluster(ClusterEvent::ClusterCreated(e)) = event {
                let name = e.name.to_string();
                let life = Life { name, created: position, deleted: None, sealed: 0 };
                self.0.entry(e.uid).or_insert(life).sealed += e.credentials.len();
            } else if let Event::Cluster(ClusterEvent::ClusterDeleted(e)) = event {
                if let Some(life) = self.of(state, &e.name) {
                    life.deleted = Some((position, time));
                }
            } else if let Some((cluster, count)) = sealed(event)
                && let Some(life) = self.of(state, cluster)
            {
                life.sealed += count;
            }
        }
    }

    fn of(&mut self, state: &State, cluster: &ClusterName) -> Option<&mut Life> {
        let uid = state.clusters.get(cluster)?.uid;
        self.0.get_mut(&uid)
    }
}

/// The clusters whose keys exist: in the store, or in the archive.
async fn key_uids(
    source: &Source,
    store: Option<WrappedKeys>,
) -> Result<BTreeSet<ClusterUid>, Failure> {
    match (source, store) {
        (Source::Broker(_), None) => Err(Failure::NeedsBroker),
        (Source::Broker(_), Some(keys)) => Ok(keys.uids().await.map_err(AuditError::from)?),
        (Source::Archive(path), _) => {
            let mut reader = ArchiveReader::open(path)?;
            while reader.next_stored()?.is_some() {}
            Ok(reader.keys().iter().map(|(uid, _)| *uid).collect())
        }
    }
}

/// Shows, for each deleted cluster, how much key material of it is still in the log, and that
/// the only key that opens it is gone. False if one is not.
pub async fn verify_erasure(
    c: &mut Context,
    only: Option<&str>,
    store: Option<WrappedKeys>,
) -> Result<bool, Failure> {
    let mut seen = c.progress();
    let mut lives = Lives::default();
    let each = |state: &State, recorded: &RecordedCommit, end| {
        seen(recorded.position, end);
        lives.take(state, recorded);
        ControlFlow::Continue(())
    };
    fold(&c.source, None, each).await?;
    let keys = key_uids(&c.source, store).await?;
    c.done();
    // Only the key store itself can tell that a key exists nowhere else.
    let gone = match c.source {
        Source::Broker(_) => "destroyed",
        Source::Archive(_) => "not in this archive",
    };
    let mut well = true;
    let mut shown = false;
    for (uid, life) in lives.0.iter().filter(|(_, l)| only.is_none_or(|only| only == l.name)) {
        let Some((position, time)) = life.deleted else { continue };
        shown = true;
        let exists = keys.contains(uid);
        well &= !exists;
        c.results.record(&json!({
            "cluster": life.name, "uid": uid.to_string(), "created": life.created,
            "deleted": position, "at": rfc3339(time), "sealedItems": life.sealed,
            "key": if exists { "STILL THERE" } else { gone },
        }))?;
    }
    if let Some(name) = only.filter(|_| !shown) {
        return Err(Failure::Unknown(format!("deleted cluster {name}")));
    }
    Ok(well)
}
