//! Reading the event log as an auditor: no keys, no snapshots, nothing written.
//!
//! - [`Checker`] follows the hash chain over the bytes as stored;
//! - [`verify`] reads the whole log through it;
//! - [`replay`] folds the log from its first commit to the state at a position;
//! - [`Filter`] picks events by what they are about and who asked.

mod check;
mod filter;
mod read;

pub use check::{Checker, Finding, Problem};
pub use filter::{Entry, Filter, entries};
pub use read::{AuditError, Report, replay, verify};
