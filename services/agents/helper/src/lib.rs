//! The helper: a small container on each hypervisor that writes files and sends requests, so that
//! a hypervisor needs nothing but a CRI endpoint.
//!
//! It makes a key pair in memory. Files travel as arguments of `ExecSync`, which others may see,
//! and are therefore sealed to that key ([`seal`], [`Opener`]).

mod console;
mod files;
mod kill;
mod kube;
mod probe;
mod sealed;
mod server;
mod standing;

pub use console::{ConsoleError, console};
pub use files::{FileOp, FilesError, apply, read_piece};
pub use kill::{KillError, kill_container};
pub use kube::{Calls, CallsError, do_calls};
pub use probe::{Probe, ProbeError, probe};
pub use sealed::{Opener, SealError, arguments, seal, seal_bytes};
pub use server::{
    ReadError, ServeError, ask_kube, ask_public_key, ask_put, ask_read, chain, read_sealed, serve,
};
pub use standing::{directories, listening};
