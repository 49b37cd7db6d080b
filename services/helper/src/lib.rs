//! The helper: a small container on each hypervisor that writes files, tells what
//! files are there and looks whether an address answers, so that a hypervisor needs
//! nothing but its CRI endpoint.
//!
//! It makes a key pair in memory. Files travel as arguments of `ExecSync`, which
//! others may see, and are therefore sealed to that key: [`seal`] on the sender's
//! side, [`Opener`] in the helper. [`apply`] then does them below one directory,
//! each whole or not at all. What the program prints is read back with
//! [`Changed::parse`] and [`FileState::parse`]; how it ended, with [`exit`].
//!
//! The program itself is in `src/bin/oi-helper`.

mod directory;
mod files;
mod hash;
mod sealed;

pub use directory::{Confined, FilesError, confine};
pub use files::{Changed, FileOp, apply};
pub use hash::{FileState, hash};
pub use sealed::{Opener, SealError, seal};

/// How `oi-helper` ends.
pub mod exit {
    /// All done.
    pub const DONE: u8 = 0;
    /// Tried, and failed; the reason is on standard error.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// `serve` does not listen (yet).
    pub const NO_SERVER: u8 = 3;
    /// Sealed to another key: `serve` was started anew. Ask for its key again.
    pub const OTHER_KEY: u8 = 4;
    /// A path outside of the root; nothing was done.
    pub const REFUSED: u8 = 5;
}
