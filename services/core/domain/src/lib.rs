//! The rules of `oi`, pure: no I/O, no clock, no randomness, no async.
//!
//! - [`decide`] answers a command with events or a [`Rejection`];
//! - [`evolve`] folds an event into the [`State`], and never fails;
//! - [`owed`] says which jobs the state owes, [`due`] which commands time owes;
//! - [`recheck`] decides again what was decided, for those who distrust a log;
//! - [`Mint`] is the port through which keys come in, to be recorded in events.
//!
//! Each feature has a folder: its part of the state, the decisions on its commands, what
//! its events change, the jobs and commands that it owes, and its tests. The files beside
//! them call the features in turn.
//!
//! Replaying the events of a log gives the same state, bit for bit: see
//! [`State::hash`].

#[cfg(test)]
extern crate self as oi_domain;

mod addons;
mod authentication;
mod backup;
mod cluster;
mod endpoint;
mod feature_level;
mod hypervisor;
mod ingress;
mod job;
mod node;
mod rotation;
mod tenant;
mod tunnel;
mod upgrade;

mod clock;
mod decide;
mod describe;
mod fold;
mod guards;
mod health;
mod jobs;
mod mint;
mod placement;
mod plan;
mod processed;
mod reactions;
mod redecide;
mod rejection;
mod schedule;
mod state;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
#[cfg(test)]
mod tests;
mod timers;
mod validate;

pub use addons::commands::JOIN_TOKEN;
pub use addons::{InstalledAddons, JoinToken};
pub use authentication::commands::own_issuer;
pub use backup::{Backup, BackupSchedule, Before, Restore, RestoreStage};
pub use clock::{ClockError, HOLD_MS, Timeline};
pub use cluster::spec::SUPPORTED_MINORS;
pub use cluster::{Cluster, ClusterPhase, DELETED_HORIZON, DeletedClusters, Kubeconfig};
pub use decide::{Context, decide};
pub use describe::{Description, describe};
pub use feature_level::FEATURE_LEVEL;
pub use fold::{apply, evolve};
pub use health::Health;
pub use hypervisor::{Hypervisor, Orphan, Reach};
pub use ingress::Route;
pub use job::{JobFailure, Retry};
pub use jobs::{Scope, is_owed, jobs_in, owed, owed_in};
pub use mint::{Ca, ENCRYPTION_KEY, Leaf, Mint, MintError, SERVICE_ACCOUNT, fingerprint};
pub use node::certificates::etcd_peer_name;
pub use node::timers::lost;
pub use node::{Node, Versions};
pub use placement::place;
pub use plan::{Plan, PlannedJob, plan, plan_while, restarts};
pub use processed::{PROCESSED_HORIZON, Processed};
pub use redecide::{Differs, decide_again, recheck};
pub use rejection::Rejection;
pub use rotation::Rotation;
pub use schedule::{Limits, Schedule, Urgency};
pub use state::{STATE_SCHEMA, State};
pub use tenant::Tenants;
pub use timers::due;
pub use tunnel::commands::TUNNEL_KEY;
pub use tunnel::{Peer, Tunnel};
pub use upgrade::Upgrade;
pub use validate::{is_dns_name, service_ip};
