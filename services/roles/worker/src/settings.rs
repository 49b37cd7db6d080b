//! How a worker does its work.

use oi_backup_store::Store;
use std::time::Duration;

/// The settings of a worker.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The worker's name in its reports.
    pub name: String,
    /// The image of the helper on hypervisors.
    pub helper_image: String,
    /// The number of jobs at a time.
    pub concurrency: usize,
    /// The pause between two looks at the add-ons of a cluster.
    pub addons_every: Duration,
    /// The pause between two looks for what fills the disk of a hypervisor.
    pub tidy_every: Duration,
    /// The store for backups, if there is one.
    pub backups: Option<Store>,
    /// How often each job runs in a row: once, except in tests.
    pub times: usize,
}
