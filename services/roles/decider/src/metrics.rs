//! What Prometheus sees of deciding.

use oi_domain::Health;
use oi_journal::BrokerLook;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

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
    /// Turns of the loop: it does not hang.
    pub turns: IntCounter,
    log_bytes: IntGauge,
    log_limit_bytes: IntGauge,
    authority_left_seconds: Gauge,
    late_certificates: IntGauge,
    late_backups: IntGauge,
    /// Jobs that wait for a person, by kind.
    pub dead_letters: IntGaugeVec,
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
            turns: IntCounter::new("oi_decider_turns_total", "Turns of the decider's loop.")?,
            log_bytes: IntGauge::new("oi_log_bytes", "How large the log is.")?,
            log_limit_bytes: IntGauge::new(
                "oi_log_limit_bytes",
                "How large the log may become; 0 where nothing limits it.",
            )?,
            authority_left_seconds: Gauge::new(
                "oi_authority_left_seconds",
                "How long the authority of a cluster lasts that ends first.",
            )?,
            late_certificates: IntGauge::new(
                "oi_late_certificates",
                "Nodes with a certificate that should have been renewed long ago.",
            )?,
            late_backups: IntGauge::new(
                "oi_late_backups",
                "Clusters whose newest backup is older than two intervals of their schedule.",
            )?,
            dead_letters: IntGaugeVec::new(
                Opts::new("oi_dead_letters", "Jobs that wait for a person, by kind."),
                &["kind"],
            )?,
        };
        registry.register(Box::new(metrics.commands.clone()))?;
        registry.register(Box::new(metrics.decision_seconds.clone()))?;
        registry.register(Box::new(metrics.batch_commands.clone()))?;
        registry.register(Box::new(metrics.owed_jobs.clone()))?;
        registry.register(Box::new(metrics.position.clone()))?;
        registry.register(Box::new(metrics.clock_skew_seconds.clone()))?;
        registry.register(Box::new(metrics.turns.clone()))?;
        registry.register(Box::new(metrics.log_bytes.clone()))?;
        registry.register(Box::new(metrics.log_limit_bytes.clone()))?;
        // Where there are no clusters, and before the log is folded, none ends.
        metrics.authority_left_seconds.set(f64::INFINITY);
        registry.register(Box::new(metrics.authority_left_seconds.clone()))?;
        registry.register(Box::new(metrics.late_certificates.clone()))?;
        registry.register(Box::new(metrics.late_backups.clone()))?;
        registry.register(Box::new(metrics.dead_letters.clone()))?;
        Ok(metrics)
    }

    /// Tells how large the log is.
    pub(crate) fn set_log_size(&self, look: &BrokerLook) {
        self.log_bytes.set(0_i64.saturating_add_unsigned(look.log_bytes));
        let limit = look.log_limit_bytes.unwrap_or(0);
        self.log_limit_bytes.set(0_i64.saturating_add_unsigned(limit));
    }

    /// Tells what ages, and what waits for a person.
    pub(crate) fn set_health(&self, health: &Health) {
        let left = health.authority_left_ms.map_or(f64::INFINITY, |ms| ms as f64 / 1000.0);
        self.authority_left_seconds.set(left);
        let number = |n: usize| 0_i64.saturating_add_unsigned(n as u64);
        self.late_certificates.set(number(health.late_certificates));
        self.late_backups.set(number(health.late_backups));
        for (kind, waiting) in &health.dead_letters {
            self.dead_letters.with_label_values(&[kind.token()]).set(number(*waiting));
        }
    }
}
