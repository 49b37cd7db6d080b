//! How a decider decides.

use oi_domain::Limits;
use std::time::Duration;

/// How a decider decides what nobody asked for.
#[derive(Debug, Clone)]
pub struct DeciderSettings {
    /// What it calls itself in what it asks for by itself.
    pub name: String,
    /// After how long the nodes of a hypervisor that is away move elsewhere; none for
    /// never.
    pub evacuate_after: Option<Duration>,
    /// How long certificates of components last. They are renewed at two thirds of it.
    pub certificate_life: Duration,
    /// By how much the clocks of this machine and the broker may differ.
    pub clock_limit: Duration,
    /// How many jobs are offered at a time.
    pub limits: Limits,
    /// While so many jobs are owed, commands that add more are refused.
    pub max_pending_jobs: usize,
}

impl DeciderSettings {
    /// Five minutes, a year, ten seconds, and ten thousand jobs.
    pub fn new(name: &str) -> DeciderSettings {
        DeciderSettings {
            name: name.to_owned(),
            evacuate_after: Some(Duration::from_secs(300)),
            certificate_life: Duration::from_secs(365 * 24 * 3600),
            clock_limit: Duration::from_secs(10),
            limits: Limits::default(),
            max_pending_jobs: 10_000,
        }
    }
}
