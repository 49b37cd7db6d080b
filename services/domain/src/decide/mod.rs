//! Commands in, events or a refusal out.

mod cluster;
mod hypervisor;
mod job;
mod node;

use crate::mint::Mint;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{Command, CommandEnvelope, Event, Generation};

/// What a decision may use beside the state: everything that is not pure comes
/// in here, and is recorded in the events.
pub struct Context<'a> {
    /// The decider's clock, Unix milliseconds.
    pub now_ms: u64,
    /// Where keys come from.
    pub mint: &'a dyn Mint,
}

/// Decides a command against a state. No events means that what it asks for
/// already holds.
///
/// # Errors
/// A [`Rejection`]; nothing may be stored then.
pub fn decide(
    state: &State,
    envelope: &CommandEnvelope,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if envelope.issued_at_ms < state.processed.horizon_ms() {
        return Err(Rejection::TooOld(envelope.id));
    }
    if let Some(expected) = envelope.expected_position
        && expected != state.position
    {
        return Err(Rejection::PositionMoved { expected, actual: state.position });
    }
    match &envelope.command {
        Command::RegisterHypervisor(c) => hypervisor::register(state, c),
        Command::CordonHypervisor(c) => hypervisor::cordon(state, c),
        Command::UnregisterHypervisor(c) => hypervisor::unregister(state, c),
        Command::ReportObservation(c) => hypervisor::observe(state, &c.observation),
        Command::CreateCluster(c) => cluster::create(state, envelope.id, c, context),
        Command::DeleteCluster(c) => cluster::delete(state, c),
        Command::RecordKubeconfig(c) => cluster::record_kubeconfig(state, c),
        Command::AddNode(c) => node::add(state, c, context),
        Command::RemoveNode(c) => node::remove(state, c),
        Command::ReportJob(c) => job::report(state, c, context.now_ms),
        Command::RetryJob(c) => job::retry(state, c),
    }
}

/// The generation that a decision gives: the position that its commit will have.
fn next_generation(state: &State) -> Generation {
    Generation(state.position + 1)
}
