//! What the roles of a server share: the folded state, kept current ([`View`]), and
//! the keys to what is sealed in it ([`Keyring`]). Both can be lost at any time.

mod clock;
mod keyring;
mod view;

pub use clock::now_ms;
pub use keyring::{Keyring, KeyringError};
pub use view::{View, ViewError};
