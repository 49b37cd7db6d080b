//! What a log and a state show to people and programs: events as entries, a cluster's
//! timeline, a state without key material, and the differences between two states. The
//! console and `oi-audit` show the same.

mod diff;
mod entry;
mod render;
mod time;
mod timeline;

pub use diff::{Change, Side, changes, unified};
pub use entry::{Entry, entries};
pub use render::{RenderError, content, render};
pub use time::rfc3339;
pub use timeline::{TimelineStep, timeline_step};
