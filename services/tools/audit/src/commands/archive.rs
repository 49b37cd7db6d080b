//! `oi-audit export`, `import` and `shred`.

use super::Context;
use crate::error::Failure;
use oi_audit::{ArchiveReader, ArchiveWriter, AuditError, Checker, Source, fold, rfc3339};
use oi_events::{
    AddonsEvent, ClusterEvent, ClusterUid, Event, NodeEvent, RotationEvent, TunnelEvent,
};
use oi_journal::{Importer, WrappedKeys};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

/// How many commits are on their way to the broker at once.
const BATCH: usize = 256;

/// Writes the log to a file; one that is not clean is not exported.
pub async fn export(
    c: &mut Context,
    file: &Path,
    to: Option<u64>,
    keys: Option<WrappedKeys>,
) -> Result<bool, Failure> {
    let end = c.source.end().await?;
    let to = to.unwrap_or(end);
    if to > end {
        return Err(AuditError::Beyond { asked: to, end }.into());
    }
    let mut commits = c.source.commits(to).await?;
    let mut archive = ArchiveWriter::create(file, to)?;
    let (mut checker, mut seen) = (Checker::new(&[]), c.progress());
    while let Some(stored) = commits.next().await? {
        checker.take(&stored).map_err(AuditError::Temporary)?;
        if checker.findings().is_empty() {
            archive.commit(&stored)?;
        }
        seen(stored.position, to);
    }
    checker.finish(to).map_err(AuditError::Temporary)?;
    if !checker.findings().is_empty() {
        archive.forget_orphans();
        return Err(Failure::NotClean("it is not exported"));
    }
    let keys = match keys {
        Some(keys) => keys.all().await.map_err(AuditError::from)?,
        None => BTreeMap::new(),
    };
    for (uid, wrapped) in &keys {
        archive.key(*uid, wrapped)?;
    }
    archive.finish()?;
    c.done();
    c.results.one(json!({
        "archive": file.display().to_string(), "commits": to,
        "head": checker.head().to_string(), "wrappedKeys": keys.len(),
    }))?;
    Ok(true)
}

/// Puts an archive back onto a broker: all of it is verified before anything changes.
pub async fn import(c: &mut Context, file: &Path, importer: Importer) -> Result<bool, Failure> {
    let archive = Source::Archive(file.to_owned());
    let report = oi_audit::verify(&archive, &[], c.progress()).await?;
    if !report.checker.findings().is_empty() {
        return Err(Failure::NotClean("it is not imported"));
    }
    importer.ensure_streams().await?;
    let (end, count) = (c.source.end().await?, report.end);
    if end > count {
        return Err(Failure::NotEmpty { end, commits: count });
    }
    let mut reader = ArchiveReader::open(file)?;
    let mut seen = c.progress();
    loop {
        let batch = reader.next_batch(BATCH)?;
        let Some(last) = batch.last() else { break };
        importer.import(&batch).await?;
        seen(last.position, count);
    }
    for (uid, wrapped) in reader.keys() {
        let imported = importer.import_key(*uid, wrapped.clone()).await;
        imported.map_err(AuditError::from)?;
    }
    c.done();
    c.results.one(json!({
        "commits": count, "head": report.checker.head().to_string(),
        "wrappedKeys": reader.keys().len(),
    }))?;
    Ok(true)
}

/// A life of a cluster, and what of it was sealed under its key.
struct Life {
    name: String,
    created: u64,
    deleted: Option<(u64, u64)>,
    sealed: usize,
}

/// The keys that there are: in the store, or in the archive.
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

/// Shows, for each deleted cluster, how much key material of it the log still carries,
/// and that the one key that opens it is gone. False where one is not.
pub async fn shred(
    c: &mut Context,
    only: Option<&str>,
    store: Option<WrappedKeys>,
) -> Result<bool, Failure> {
    let mut seen = c.progress();
    let mut lives: BTreeMap<ClusterUid, Life> = BTreeMap::new();
    let state = fold(&c.source, None, |state, recorded, end| {
        seen(recorded.position, end);
        let (position, time) = (recorded.position, recorded.commit.header.time_ms);
        for event in &recorded.commit.events {
            let (cluster, sealed) = match event {
                Event::Cluster(ClusterEvent::ClusterCreated(e)) => {
                    let name = e.name.to_string();
                    let life = Life { name, created: position, deleted: None, sealed: 0 };
                    lives.entry(e.uid).or_insert(life).sealed += e.credentials.len();
                    continue;
                }
                Event::Cluster(ClusterEvent::ClusterDeleted(e)) => (&e.name, None),
                Event::Node(NodeEvent::NodeAdded(e)) => (&e.cluster, Some(e.credentials.len())),
                Event::Rotation(RotationEvent::RotationStarted(e)) => {
                    (&e.cluster, Some(e.credentials.len()))
                }
                Event::Node(NodeEvent::CertificateReplaced(e)) => (&e.cluster, Some(1)),
                Event::Addons(AddonsEvent::JoinTokenCreated(e)) => (&e.cluster, Some(1)),
                Event::Tunnel(TunnelEvent::TunnelEnabled(e)) => (&e.cluster, Some(1)),
                _ => continue,
            };
            let uid = state.clusters.get(cluster).map(|c| c.uid);
            if let Some(life) = uid.and_then(|uid| lives.get_mut(&uid)) {
                match sealed {
                    Some(count) => life.sealed += count,
                    None => life.deleted = Some((position, time)),
                }
            }
        }
        ControlFlow::Continue(())
    });
    state.await?;
    let keys = key_uids(&c.source, store).await?;
    c.done();
    // Only the key store itself can tell that a key is nowhere else.
    let gone = match c.source {
        Source::Broker(_) => "destroyed",
        Source::Archive(_) => "not in this archive",
    };
    let mut well = true;
    let mut shown = false;
    for (uid, life) in lives.iter().filter(|(_, l)| only.is_none_or(|only| only == l.name)) {
        let Some((position, time)) = life.deleted else { continue };
        shown = true;
        let stands = keys.contains(uid);
        well &= !stands;
        c.results.record(&json!({
            "cluster": life.name, "uid": uid.to_string(), "created": life.created,
            "deleted": position, "at": rfc3339(time), "sealedItems": life.sealed,
            "key": if stands { "STILL THERE" } else { gone },
        }))?;
    }
    if let Some(name) = only.filter(|_| !shown) {
        return Err(Failure::Unknown(format!("deleted cluster {name}")));
    }
    Ok(well)
}
