//! Makes true what the state owes, and keeps it true.
//!
//! - `job_runner` takes jobs from the queue, and reports their outcomes. [`steps`] has one file
//!   for each kind of job.
//! - [`desired`] describes what must run, as pure functions of the state, and [`place`] runs it.
//! - [`addons`] describes the objects in clusters and reconciles them; [`tunnel`] does so for the
//!   tunnel to worker nodes.
//! - `supervisor` restarts what died, and [`addons`] repairs drift: both without jobs, and without
//!   the broker.
//! - `locks` keeps these apart within one worker. Several workers need no locks: whatever they
//!   do twice, or at once, leaves the same.

pub mod addons;
pub mod desired;
mod job_runner;
mod keyed_tasks;
mod locks;
mod metrics;
mod place;
mod reporter;
mod settings;
mod steps;
mod supervisor;
pub mod tunnel;
mod worker;

pub use metrics::Metrics;
pub use settings::WorkerSettings;
pub use worker::{Worker, WorkerHandles};
