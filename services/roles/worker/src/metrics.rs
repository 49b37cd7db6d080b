//! The metrics of a worker.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Counters and gauges of a worker.
pub struct Metrics {
    /// Jobs by kind and outcome.
    pub jobs: IntCounterVec,
    /// Durations of jobs, seconds.
    pub job_seconds: HistogramVec,
    /// Jobs in progress.
    pub running: IntGauge,
    /// Restarts by the supervisor.
    pub restarts: IntCounterVec,
    /// Sandboxes that belonged to nobody, and were removed.
    pub orphans: IntCounterVec,
    /// What stands on a hypervisor and belongs to nobody, by kind.
    pub strays: IntGaugeVec,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let metrics = Metrics {
            jobs: IntCounterVec::new(
                Opts::new("oi_jobs_total", "Jobs that ended, by kind and outcome."),
                &["kind", "outcome"],
            )?,
            job_seconds: HistogramVec::new(
                HistogramOpts::new("oi_job_seconds", "Durations of jobs.")
                    .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]),
                &["kind"],
            )?,
            running: IntGauge::new("oi_jobs_running", "Jobs in progress.")?,
            restarts: IntCounterVec::new(
                Opts::new(
                    "oi_restarts_total",
                    "Restarts of nodes by the supervisor, by hypervisor.",
                ),
                &["hypervisor"],
            )?,
            orphans: IntCounterVec::new(
                Opts::new(
                    "oi_orphans_removed_total",
                    "Sandboxes of nodes that are gone, which were found and removed, by hypervisor.",
                ),
                &["hypervisor"],
            )?,
            strays: IntGaugeVec::new(
                Opts::new(
                    "oi_strays",
                    "Pods, directories and ports that belong to nobody, by hypervisor and kind.",
                ),
                &["hypervisor", "kind"],
            )?,
        };
        registry.register(Box::new(metrics.strays.clone()))?;
        registry.register(Box::new(metrics.jobs.clone()))?;
        registry.register(Box::new(metrics.job_seconds.clone()))?;
        registry.register(Box::new(metrics.running.clone()))?;
        registry.register(Box::new(metrics.restarts.clone()))?;
        registry.register(Box::new(metrics.orphans.clone()))?;
        Ok(metrics)
    }
}
