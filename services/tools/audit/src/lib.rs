//! Reading the event log as an auditor: no keys, no snapshots, nothing written, from a
//! broker or from an archive.
//!
//! - [`verify`] follows the hash chain over the bytes as stored, decides each command
//!   again, and compares with signed checkpoints;
//! - [`replay`] folds the log from its first commit to the state at a [`Moment`];
//! - [`changes`] and [`unified`] show what differs between two states;
//! - [`Condition`] is a question about a state;
//! - [`Filter`] picks events by what they are about and who asked, [`causes`] walks back
//!   from a commit to the order that led to it;
//! - [`ArchiveWriter`] and [`ArchiveReader`] keep a log in a file.

mod archive;
mod causes;
mod check;
mod diff;
mod documents;
mod doubles;
mod expression;
mod filter;
mod moment;
mod present;
mod read;
mod rehearse;
mod source;
mod spans;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter};
pub use causes::{Cause, Causes};
pub use check::{Checker, Finding, Problem};
pub use diff::{Change, Side, changes, unified};
pub use documents::documents;
pub use expression::{Condition, ExpressionError};
pub use filter::{Entry, Filter, entries};
pub use moment::{Moment, MomentError, rfc3339};
pub use present::{content, present};
pub use read::{AuditError, Report, decode, fold, replay, verify};
pub use rehearse::{Decision, Difference, decisions, differences};
pub use source::{Commits, Source};
pub use spans::{Span, spans};
