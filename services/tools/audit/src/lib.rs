//! Reading the event log as an auditor: no keys, no snapshots, nothing written, from a
//! broker or from an archive.
//!
//! - [`verify`] follows the hash chain over the bytes as stored, decides each command
//!   again, and compares with signed checkpoints;
//! - [`replay`] folds the log from its first commit to the state at a [`Moment`];
//! - [`decisions`] decides each command again, [`differences`] compares two releases;
//! - [`Condition`] is a question about a state;
//! - [`Filter`] selects events by what they are about and who sent their command,
//!   [`Causes`] walks back from a commit to the order that led to it;
//! - [`ArchiveWriter`] and [`ArchiveReader`] keep a log in a file.

mod archive;
mod causes;
mod check;
mod documents;
mod duplicates;
mod expression;
mod filter;
mod moment;
mod problem;
mod read;
mod redecide;
mod source;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter};
pub use causes::{Cause, Causes};
pub use check::Checker;
pub use documents::documents;
pub use expression::{Condition, ExpressionError};
pub use filter::Filter;
pub use moment::{Moment, MomentError};
pub use problem::{Finding, Problem};
pub use read::{AuditError, Report, decode, fold, replay, verify};
pub use redecide::{Decision, Difference, decisions, differences};
pub use source::{Commits, Source};
