//! The spans of decisions in the traces of commands.

use oi_events::{CommandEnvelope, CommandId};
use std::collections::BTreeMap;
use tracing::Span;
use tracing::field::Empty;

/// A decision's span, below the root that the gateway made; or the root itself of what
/// oi asks of itself.
fn decision_span(envelope: &CommandEnvelope) -> Span {
    let kind = envelope.command.kind().name;
    let (id, actor) = (envelope.id, &envelope.actor);
    let span = tracing::info_span!(
        "decide", otel.name = Empty, otel.kind = Empty, %id, actor, outcome = Empty
    );
    if actor.starts_with("system:") {
        oi_trace::name(&span, kind, "consumer");
        oi_trace::root(&span, id);
    } else {
        oi_trace::name(&span, "decide", "consumer");
        oi_trace::within(&span, id);
    }
    span
}

/// The spans of decisions that are made together, where spans are sent.
pub(crate) fn decision_spans<'a>(
    envelopes: impl Iterator<Item = &'a CommandEnvelope>,
) -> BTreeMap<CommandId, Span> {
    let wanted = envelopes.filter(|_| oi_trace::is_on());
    wanted.map(|envelope| (envelope.id, decision_span(envelope))).collect()
}
