//! Makes true what the state owes, and keeps it true.
//!
//! - `job_runner` takes jobs from the queue, and reports their outcomes. [`steps`] has one file
//!   for each kind of job.
//! - `supervisor` restarts what died, and `addons` repairs drift inside of clusters: both without
//!   jobs, and without the broker.
//! - [`desired`] says what must run, as pure functions of the state, and [`place`] runs it. So
//!   does [`addons`] for objects inside of clusters, and [`tunnel`] for the tunnel to their worker
//!   nodes.
//! - `locks` keeps these apart within one worker. Several workers need no locks: whatever they
//!   do twice, or at once, leaves the same.

pub mod addons;
pub mod desired;
mod job_runner;
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
