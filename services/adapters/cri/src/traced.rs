//! A channel whose calls are spans, one each.

use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower::Service;
use tracing::Instrument;
use tracing::instrument::Instrumented;

/// Names each span as OpenTelemetry names RPC clients: service and method.
///
/// Source: OpenTelemetry semantic conventions for RPC spans.
#[derive(Clone)]
pub struct Traced {
    channel: Channel,
    endpoint: Arc<str>,
}

impl Traced {
    pub fn new(channel: Channel, endpoint: &str) -> Traced {
        Traced { channel, endpoint: endpoint.into() }
    }
}

impl Service<Request<Body>> for Traced {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Instrumented<ResponseFuture>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The supervisor looks all the time, and not for a command: that is no trace.
        if tracing::Span::current().is_none() {
            return self.channel.call(request).instrument(tracing::Span::none());
        }
        let name = request.uri().path().trim_start_matches('/');
        let span = tracing::info_span!(
            "cri",
            otel.name = name,
            otel.kind = "client",
            rpc.system = "grpc",
            server.address = &*self.endpoint,
        );
        self.channel.call(request).instrument(span)
    }
}
