//! OpenTelemetry traces from a command to the CRI calls that it leads to.
//!
//! The id of a command, a UUID, is the id of its trace, and its second half the id of the
//! trace's root. So nothing has to be carried along: whoever reads a command in the log,
//! hours later and in another process, knows the trace that it belongs to.

mod export;
mod ids;

pub use export::{Exporter, TraceError};

use oi_events::CommandId;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

static ON: AtomicBool = AtomicBool::new(false);

/// Whether spans are sent anywhere: what only traces need need not be done otherwise.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The trace of a command, and its root.
fn ids_of(id: CommandId) -> (TraceId, SpanId) {
    let (_, low) = id.0.as_u64_pair();
    (TraceId::from_bytes(*id.0.as_bytes()), SpanId::from_bytes(low.to_be_bytes()))
}

/// Names a span whose fields `otel.name` and `otel.kind` are empty until now: lines in the
/// log are for people, and have them only where spans are sent.
pub fn name(span: &Span, name: &str, kind: &str) {
    if is_on() {
        span.record("otel.name", name).record("otel.kind", kind);
    }
}

/// Makes a span, not entered yet, the root of a command's trace.
pub fn root(span: &Span, id: CommandId) {
    if is_on() {
        ids::next(ids_of(id), || span.context());
    }
}

/// Puts a span, not entered yet, below the root of a command's trace.
pub fn within(span: &Span, id: CommandId) {
    if is_on() {
        let (trace, root) = ids_of(id);
        let state = TraceState::default();
        let parent = SpanContext::new(trace, root, TraceFlags::SAMPLED, true, state);
        // It fails only where the span is filtered out.
        if let Err(error) = span.set_parent(Context::new().with_remote_span_context(parent)) {
            tracing::trace!(?error, "a span has no parent");
        }
    }
}

/// Links a span to whatever a client was doing when it asked, in the words of W3C Trace
/// Context. What does not parse is no link.
///
/// Source: <https://www.w3.org/TR/trace-context/>, `traceparent`.
pub fn link(span: &Span, traceparent: &str) {
    if !is_on() {
        return;
    }
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(parent), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    if trace.len() != 32 || parent.len() != 16 {
        return;
    }
    let (Ok(trace), Ok(parent), Ok(flags)) =
        (TraceId::from_hex(trace), SpanId::from_hex(parent), u8::from_str_radix(flags, 16))
    else {
        return;
    };
    let (flags, state) = (TraceFlags::new(flags), TraceState::default());
    span.add_link(SpanContext::new(trace, parent, flags, true, state));
}

/// Says that what a span is about failed, and why.
pub fn failed(span: &Span, message: &str) {
    if is_on() {
        span.set_status(opentelemetry::trace::Status::error(message.to_owned()));
    }
}
