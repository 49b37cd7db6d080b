//! What Prometheus sees of deciding.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// Counters and gauges of a decider.
pub struct Metrics {
    /// Commands by kind and outcome.
    pub commands: IntCounterVec,
    /// From taking a command to its stored outcome, seconds.
    pub decision_seconds: Histogram,
    /// Commands that were decided together.
    pub batch_commands: Histogram,
    /// Jobs owed right now.
    pub owed_jobs: IntGauge,
    /// The log position folded in.
    pub position: IntGauge,
    /// This machine's clock less the broker's, seconds.
    pub clock_skew_seconds: Gauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn new(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let metrics = Metrics {
            commands: IntCounterVec::new(
                Opts::new("oi_commands_total", "Commands decided, by kind and outcome."),
                &["kind", "outcome"],
            )?,
            decision_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "oi_decision_seconds",
                    "From taking a command to its stored outcome.",
                )
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0]),
            )?,
            batch_commands: Histogram::with_opts(
                HistogramOpts::new("oi_decision_batch_commands", "Commands decided together.")
                    .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            )?,
            owed_jobs: IntGauge::new("oi_owed_jobs", "Jobs owed right now.")?,
            position: IntGauge::new("oi_log_position", "The log position folded in.")?,
            clock_skew_seconds: Gauge::new(
                "oi_clock_skew_seconds",
                "This machine's clock less the broker's.",
            )?,
        };
        registry.register(Box::new(metrics.commands.clone()))?;
        registry.register(Box::new(metrics.decision_seconds.clone()))?;
        registry.register(Box::new(metrics.batch_commands.clone()))?;
        registry.register(Box::new(metrics.owed_jobs.clone()))?;
        registry.register(Box::new(metrics.position.clone()))?;
        registry.register(Box::new(metrics.clock_skew_seconds.clone()))?;
        Ok(metrics)
    }
}
