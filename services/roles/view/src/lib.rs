//! The folded state that the roles of a server share, kept current. It can be lost at any
//! time: the log rebuilds it.

mod known;
mod view;

pub use known::{KnownError, KnownLog, open};
pub use view::{View, ViewError};
