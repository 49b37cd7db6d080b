//! Jobs to idempotent CRI steps to outcomes.
//!
//! A worker takes a job, brings its view of the log to the job's generation, and
//! makes true what the job is for ([`steps`]); what must run is a pure function of
//! the state ([`pods`]). The outcome is a command; the job is acknowledged once
//! that is stored. Doing a job twice, or by two workers at once, leaves the same.
//!
//! What has been made true is kept true without jobs, and without the broker
//! ([`keeper`]): a dead container is started again on the spot. So is what oi keeps inside of
//! clusters for worker nodes ([`inside`], [`steward`]).

pub mod addons;
mod exclusion;
mod hypervisors;
mod keeper;
mod links;
mod metrics;
mod names;
pub mod pods;
mod serving;
mod steps;
mod steward;
mod worker;

pub use hypervisors::WorkerSettings;
pub use metrics::Metrics;
pub use worker::{Worker, WorkerHandles};
