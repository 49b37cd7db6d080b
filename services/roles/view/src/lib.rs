//! The folded state that the roles of a server share, kept current. It can be lost at any
//! time: the log rebuilds it.

mod view;

pub use view::{View, ViewError};
