//! The subjects below `oi.`. The broker's permissions (`deploy/nats/users`) name them too.

use oi_events::{ClusterUid, CommandId, JobId, parsed};

/// Where deciders hear requests.
pub(crate) const DECIDE: &str = "oi.decide";
/// Where rejections are recorded.
pub(crate) const REJECTIONS: &str = "oi.rejections";

/// All wrapped keys.
pub(crate) const KEYS: &str = "oi.keys.>";

/// Which key wraps them.
pub(crate) const WRAPPER: &str = "oi.keys.wrapper";

const JOB: &str = "oi.jobs.";
const KEY: &str = "oi.keys.";

/// Where the outcome of a stored command is announced.
pub(crate) fn outcome(id: CommandId) -> String {
    format!("oi.outcomes.{id}")
}

/// Where a command of a kind is stored.
pub(crate) fn command(kind: &str) -> String {
    format!("oi.commands.{kind}")
}

/// Where a job is queued.
pub(crate) fn job(id: &JobId) -> String {
    format!("{JOB}{id}")
}

/// The job that is queued on a subject.
pub(crate) fn job_id(subject: &str) -> Option<JobId> {
    subject.strip_prefix(JOB).map(|id| JobId(id.to_owned()))
}

/// Where a cluster's wrapped key is stored.
pub(crate) fn key(uid: ClusterUid) -> String {
    format!("{KEY}{uid}")
}

/// The cluster whose wrapped key is stored on a subject.
pub(crate) fn key_uid(subject: &str) -> Option<ClusterUid> {
    subject.strip_prefix(KEY).and_then(parsed)
}
