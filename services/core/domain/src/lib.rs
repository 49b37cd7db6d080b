//! The rules of `oi`, pure: no I/O, no clock, no randomness, no async.
//!
//! - [`decide`] answers a command with events or a [`Rejection`];
//! - [`evolve`] folds an event into the [`State`], and never fails;
//! - [`owed`] says which jobs the state owes, [`due`] which commands time owes;
//! - [`recheck`] decides again what was decided, for those who distrust a log;
//! - [`Mint`] is the port through which keys come in, to be recorded in events.
//!
//! Replaying the events of a log gives the same state, bit for bit: see
//! [`State::hash`].

mod decide;
mod describe;
mod due;
mod evolve;
mod level;
mod mint;
mod network;
mod owed;
mod placement;
mod plan;
mod recheck;
mod rejection;
mod schedule;
mod state;

pub use decide::{Context, JOIN_TOKEN, TUNNEL_KEY, decide, own_issuer};
pub use describe::{Description, describe};
pub use due::{due, lost};
pub use evolve::{apply, evolve};
pub use level::FEATURE_LEVEL;
pub use mint::{Ca, ENCRYPTION_KEY, Leaf, Mint, MintError, SERVICE_ACCOUNT, fingerprint};
pub use network::{SUPPORTED_MINORS, is_dns_name, service_ip};
pub use owed::{JobTarget, Scope, is_owed, job_id, jobs_in, owed, owed_in};
pub use placement::place;
pub use plan::{Plan, PlannedJob, plan, restarts};
pub use recheck::{Differs, decide_again, recheck};
pub use rejection::Rejection;
pub use schedule::{Limits, Schedule, Urgency};
pub use state::*;
