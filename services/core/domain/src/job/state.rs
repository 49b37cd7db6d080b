//! What is known of jobs that failed.

use serde::{Deserialize, Serialize};

/// A job that has not worked out so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub message: String,
    /// When it is tried again.
    pub retry: Retry,
}

/// When a job that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// Its pause is over: it is owed.
    Now,
    /// At this time, Unix milliseconds.
    At(u64),
    /// When a person asks for it, or what it is for changes.
    ByHand,
}
