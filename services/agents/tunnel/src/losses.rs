//! Packets that are lost on this machine.

use std::fmt::Display;
use std::io::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The pause between two lines about losses: each packet of a link may be one.
const QUIET: Duration = Duration::from_secs(60);

/// Packets that cannot be sent or received. Nobody fails for one, as any packet may be lost on
/// its way.
#[derive(Default)]
pub struct Losses(Mutex<Option<Instant>>);

impl Losses {
    /// Says that one is lost, unless that was said lately.
    pub fn tell(&self, between: impl Display, error: &Error) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            eprintln!("packets are lost {between}: {error}");
        }
    }
}
