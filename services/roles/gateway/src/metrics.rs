//! The metrics of a gateway.

use crate::tls::Protocol;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// Gauges of a gateway.
pub struct Metrics {
    /// Whether a file of TLS has changed and makes no sense, by what is served with them.
    unusable: IntGaugeVec,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let help = "1 while a TLS file has changed and is of no use: what it said before counts.";
        let unusable = IntGaugeVec::new(Opts::new("oi_tls_files_unusable", help), &["listener"])?;
        registry.register(Box::new(unusable.clone()))?;
        Ok(Metrics { unusable })
    }

    /// The files of one listener.
    pub fn unusable_files(&self, of: Protocol) -> IntGauge {
        self.unusable.with_label_values(&[match of {
            Protocol::Http2 => "api",
            Protocol::Http1 => "page",
        }])
    }
}
