//! Sending spans to a collector, over OTLP.

use crate::ON;
use crate::ids::Ids;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, Value};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::sync::atomic::Ordering;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The collector's address is no use.
    #[error("spans cannot be sent to {endpoint}: write http://host:port of an OTLP/gRPC collector")]
    Endpoint {
        /// Which.
        endpoint: String,
        /// Why.
        #[source]
        source: ExporterBuildError,
    },
}

/// Sends spans until it is shut down. A collector that is away loses spans, and delays
/// nothing.
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Sends to the OTLP/gRPC collector at `endpoint`, `http://host:port`, as a service
    /// instance of this name. To be made inside of a tokio runtime.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(
        endpoint: &str,
        instance: &str,
        version: &'static str,
    ) -> Result<Exporter, TraceError> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(|source| TraceError::Endpoint { endpoint: endpoint.to_owned(), source })?;
        let resource = Resource::builder()
            .with_service_name("oi-server")
            .with_attribute(KeyValue::new("service.instance.id", Value::from(instance.to_owned())))
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_id_generator(Ids::default())
            .with_resource(resource)
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Exporter(provider))
    }

    /// Takes the spans of oi itself, whatever is logged.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let ours = ["oi_gateway", "oi_decider", "oi_worker", "oi_cri"];
        let filter = Targets::new().with_targets(ours.map(|t| (t, LevelFilter::INFO)));
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("oi"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter)
    }

    /// Sends what is left.
    pub fn shutdown(&self) {
        if let Err(error) = self.0.shutdown() {
            tracing::debug!(%error, "the last spans are not sent");
        }
    }
}
