//! Ids of spans: random ones, unless the next one was named.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use std::cell::Cell;

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// The span that `start` starts has these ids.
pub fn next<T>(ids: (TraceId, SpanId), start: impl FnOnce() -> T) -> T {
    NEXT.set(Some(ids));
    let started = start();
    NEXT.set(None);
    started
}

/// Gives what was named, and random ids otherwise.
#[derive(Debug, Default)]
pub struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(|| self.0.new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.0.new_span_id(), |(_, span)| span)
    }
}
