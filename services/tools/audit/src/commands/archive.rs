//! `oi-audit export` and `import`.

use super::Context;
use crate::error::Failure;
use oi_audit::{ArchiveReader, ArchiveWriter, AuditError, Checker, Source};
use oi_journal::{Importer, WrappedKeys};
use serde_json::json;
use std::collections::BTreeMap;
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
        archive.discard()?;
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

/// Restores an archive to a broker. Verifies all of it before anything changes.
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
