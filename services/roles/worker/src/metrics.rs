//! What Prometheus sees of working.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// Counters and gauges of a worker.
pub struct Metrics {
    /// Jobs by kind and outcome.
    pub jobs: IntCounterVec,
    /// How long jobs take, seconds.
    pub job_seconds: HistogramVec,
    /// Jobs in hand.
    pub running: IntGauge,
    /// Containers started again on the spot.
    pub restarts: IntCounterVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn new(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let metrics = Metrics {
            jobs: IntCounterVec::new(
                Opts::new("oi_jobs_total", "Jobs done, by kind and outcome."),
                &["kind", "outcome"],
            )?,
            job_seconds: HistogramVec::new(
                HistogramOpts::new("oi_job_seconds", "How long jobs take.")
                    .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]),
                &["kind"],
            )?,
            running: IntGauge::new("oi_jobs_running", "Jobs in hand.")?,
            restarts: IntCounterVec::new(
                Opts::new("oi_restarts_total", "Containers started again on the spot."),
                &["hypervisor"],
            )?,
        };
        registry.register(Box::new(metrics.jobs.clone()))?;
        registry.register(Box::new(metrics.job_seconds.clone()))?;
        registry.register(Box::new(metrics.running.clone()))?;
        registry.register(Box::new(metrics.restarts.clone()))?;
        Ok(metrics)
    }
}
