//! `oi-audit verify`.

use super::{Context, sign};
use crate::error::Failure;
use crate::flags::Verify;
use oi_audit::verify as verify_log;
use serde_json::json;

pub async fn verify(c: &mut Context, flags: Verify) -> Result<bool, Failure> {
    let mut checkpoints = Vec::new();
    if let Some(key) = &flags.key {
        let verifier = sign::believed(key)?;
        for path in &flags.checkpoints {
            checkpoints.extend(sign::open_all(path, &verifier)?);
        }
    }
    let report = verify_log(&c.source, &checkpoints, c.progress()).await?;
    c.done();
    let checker = &report.checker;
    let findings = checker.findings();
    let clean = findings.is_empty();
    for finding in findings.iter().take(flags.limit) {
        eprintln!("{}", oi_events::chain(finding));
    }
    if findings.len() > flags.limit {
        eprintln!("… and {} more", findings.len() - flags.limit);
    }
    let found: Vec<_> = findings
        .iter()
        .take(flags.limit)
        .map(|f| json!({"position": f.position, "problem": oi_events::chain(&f.problem)}))
        .collect();
    c.results.one(json!({
        "verdict": if clean { "clean" } else { "not clean" },
        "commits": report.end, "head": checker.head().to_string(),
        "decidedByRules": checker.ruled(), "attestedBySignature": checker.confirmed(),
        "problems": findings.len(), "findings": found,
    }))?;
    Ok(clean)
}
