//! Records of jobs.

use super::backup::SnapshotV1;
use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::JobId;
use crate::records;
use crate::text::shorten;
use serde::{Deserialize, Serialize};

/// What came of a job, beside what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobOutput {
    /// Nothing else.
    None,
    /// A backup's snapshot.
    Backup(SnapshotV1),
}

/// Whether a failure may go away by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureClass {
    /// It may: the job is tried again after a pause.
    Transient,
    /// It does not: the job waits for a person, or for a change of what it is for.
    Permanent,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobResult {
    /// What it is for holds now.
    Succeeded(JobOutput),
    /// It failed.
    Failed {
        /// What went wrong.
        message: String,
        /// Whether it is tried again.
        class: FailureClass,
    },
    /// The queue delivered it too often without any outcome. Only logs of older releases have it:
    /// today that is a failure that is tried again.
    DeadLettered,
}

impl JobResult {
    /// The same with texts that a record can keep.
    #[must_use]
    pub fn shortened(self) -> JobResult {
        match self {
            JobResult::Failed { message, class } => {
                JobResult::Failed { message: shorten(message), class }
            }
            JobResult::Succeeded(_) | JobResult::DeadLettered => self,
        }
    }
}

/// How a job ended, without output and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobResultV1 {
    /// What it is for holds now.
    Succeeded,
    /// It did not work out; it is tried again after a pause.
    Failed(String),
    /// The queue delivered it too often without any outcome.
    DeadLettered,
}

impl From<JobResultV1> for JobResult {
    fn from(old: JobResultV1) -> Self {
        match old {
            JobResultV1::Succeeded => JobResult::Succeeded(JobOutput::None),
            JobResultV1::Failed(message) => {
                JobResult::Failed { message, class: FailureClass::Transient }
            }
            JobResultV1::DeadLettered => JobResult::DeadLettered,
        }
    }
}

/// A worker tells how a job ended, without output and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportJobV1 {
    /// The job.
    pub job: JobId,
    /// The outcome.
    pub result: JobResultV1,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// A worker tells how a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportJobV2 {
    /// The job.
    pub job: JobId,
    /// The outcome.
    pub result: JobResult,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

impl From<ReportJobV1> for ReportJobV2 {
    fn from(old: ReportJobV1) -> Self {
        let ReportJobV1 { job, result, took_ms } = old;
        ReportJobV2 { job, result: result.into(), took_ms }
    }
}

/// The pause after a failure is over (entered by a decider when it falls due),
/// or a person asks not to wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryJobV1 {
    /// The job.
    pub job: JobId,
}

/// Do not do what is owed, where nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelJobV1 {
    /// The job.
    pub job: JobId,
}

/// What a job is for holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSucceededV1 {
    /// The job.
    pub job: JobId,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// A job did not work out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailedV1 {
    /// The job.
    pub job: JobId,
    /// How often it was tried, this time included.
    pub attempt: u32,
    /// What went wrong.
    pub message: String,
    /// When it is due again, Unix milliseconds.
    pub retry_at_ms: u64,
}

/// A job is owed again after its pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRetriedV1 {
    /// The job.
    pub job: JobId,
}

/// A job was delivered too often without any outcome; a person can retry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDeadLetteredV1 {
    /// The job.
    pub job: JobId,
}

/// A job is not tried again by itself: it failed for good or, in logs of older releases, was
/// delivered too often without any outcome. A person can retry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDeadLetteredV2 {
    /// The job.
    pub job: JobId,
    /// How often it was tried and failed.
    pub attempts: u32,
    /// Why.
    pub message: String,
}

impl From<JobDeadLetteredV1> for JobDeadLetteredV2 {
    fn from(old: JobDeadLetteredV1) -> Self {
        let message = "delivered too often without any outcome".to_owned();
        JobDeadLetteredV2 { job: old.job, attempts: 0, message }
    }
}

records! {
    /// Requests about jobs.
    JobCommand in Command::Job, CommandFacts {
        ReportJob(c) = 7 [1 => ReportJobV1, ; 2 => ReportJobV2] {
            about: About::job(&c.job),
            level: 1,
            asked_by: AskedBy::Oi,
            adds_work: false,
            keys: Keys::None,
        },
        RetryJob(c) = 9 [; 1 => RetryJobV1] {
            about: About::job(&c.job),
            level: 1,
            asked_by: AskedBy::of_job(&c.job),
            adds_work: false,
            keys: Keys::None,
        },
        CancelJob(c) = 27 [; 1 => CancelJobV1] {
            about: About::job(&c.job),
            level: 2,
            asked_by: AskedBy::of_job(&c.job),
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about jobs.
    JobEvent in Event::Job, EventFacts<'_> {
        JobSucceeded(e) = 114 [; 1 => JobSucceededV1] {
            about: About::job(&e.job),
            effect: Effect::of_success(&e.job),
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        JobFailed(e) = 115 [; 1 => JobFailedV1] {
            about: About::job(&e.job),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        JobRetried(e) = 116 [; 1 => JobRetriedV1] {
            about: About::job(&e.job),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        JobDeadLettered(e) = 117 [1 => JobDeadLetteredV1, ; 2 => JobDeadLetteredV2] {
            about: About::job(&e.job),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
