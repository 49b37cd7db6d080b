//! Log lines on stderr, and spans to a collector where one is named.

use crate::config::{Config, LogFormat};
use oi_trace::{Exporter, TraceError};
use tracing_subscriber::filter::FromEnvError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

/// Why nothing is logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The collector.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The level of lines.
    #[error("OI_LOG is no level or list of levels, for example debug or oi_worker=trace")]
    Level(#[from] FromEnvError),
}

/// From here on what is logged is written. The result is to be shut down at the end.
///
/// # Errors
/// Where the collector's address is none, or the level of lines.
pub fn start(config: &Config, version: &'static str) -> Result<Option<Exporter>, LogError> {
    let exporter = match &config.otlp_endpoint {
        Some(endpoint) => Some(Exporter::new(endpoint, &config.process_name(), version)?),
        None => None,
    };
    let filter = match std::env::var_os("OI_LOG") {
        None => EnvFilter::new("info"),
        Some(_) => EnvFilter::try_from_env("OI_LOG")?,
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // Only layers that are wanted: an absent one would cost each event that nobody reads.
    let mut layers = vec![lines.with_filter(filter).boxed()];
    layers.extend(exporter.as_ref().map(|e| e.layer().boxed()));
    registry().with(layers).init();
    Ok(exporter)
}
