//! Commands in, events or a rejection out.

use crate::hypervisor::Reach;
use crate::mint::Mint;
use crate::reactions;
use crate::rejection::Rejection;
use crate::state::State;
use crate::{
    addons, authentication, backup, cluster, endpoint, feature_level, hypervisor, job, node,
    rotation, tenant, tunnel, upgrade,
};
use oi_events::{
    Command, CommandEnvelope, CommandId, Event, FeatureLevelRaisedV1, Observation,
    ObservationCommand,
};

/// What a decision may use beside the state: everything that is not pure comes
/// in here, and is recorded in the events.
pub struct Context<'a> {
    /// The decider's clock, Unix milliseconds.
    pub now_ms: u64,
    /// Where keys come from.
    pub mint: &'a dyn Mint,
    /// The level at which a new log begins; none to begin at the first.
    pub begins: Option<u16>,
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
    feature_level::check(begun(state, context).as_ref().unwrap_or(state), &envelope.command)?;
    decide_command(state, envelope.id, &envelope.command, context)
}

/// No older server has read a log that holds nothing: it begins at the newest level.
fn begun(state: &State, context: &Context<'_>) -> Option<State> {
    let begins = context.begins.filter(|_| state.position == 0);
    begins.map(|level| State { raised: level, ..state.clone() })
}

/// The same without what is asked once, when it comes: what stands in a log was admitted.
pub(crate) fn decide_command(
    state: &State,
    id: CommandId,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let begun = begun(state, context);
    let mut events = answer(begun.as_ref().unwrap_or(state), id, command, context)?;
    reactions::add(state, &mut events);
    if let Some(begun) = begun {
        events.insert(0, FeatureLevelRaisedV1 { level: begun.raised }.into());
    }
    Ok(events)
}

fn answer(
    state: &State,
    id: CommandId,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Hypervisor(c) => hypervisor::commands::decide(state, c),
        Command::Cluster(c) => cluster::commands::decide(state, id, c, context),
        Command::Node(c) => node::commands::decide(state, c, context),
        Command::Upgrade(c) => upgrade::commands::decide(state, c),
        Command::Backup(c) => backup::commands::decide(state, id, c, context),
        Command::Rotation(c) => rotation::commands::decide(state, c, context),
        Command::Addons(c) => addons::commands::decide(state, id, c, context),
        Command::Tunnel(c) => tunnel::commands::decide(state, c, context),
        Command::Endpoint(c) => endpoint::commands::decide(state, c, context),
        Command::Authentication(c) => authentication::commands::decide(state, c),
        Command::Tenant(c) => tenant::commands::decide(state, id, c, context),
        Command::Job(c) => job::commands::decide(state, c, context),
        Command::Observation(ObservationCommand::ReportObservation(c)) => {
            observe(state, &c.observation)
        }
        Command::FeatureLevel(c) => feature_level::commands::decide(state, c),
    }
}

/// Only what changes the picture becomes an event.
fn observe(state: &State, seen: &Observation) -> Result<Vec<Event>, Rejection> {
    Ok(match seen {
        Observation::HypervisorReachable { name, runtime } => {
            return hypervisor::commands::observed(state, name, Reach::Reachable(runtime.clone()));
        }
        Observation::HypervisorUnreachable { name, reason } => {
            return hypervisor::commands::observed(state, name, Reach::Unreachable(reason.clone()));
        }
        Observation::PodRestarted { cluster, node, generation, what, reason } => {
            node::observations::restarted(state, cluster, node, *generation, what, reason)
        }
        Observation::MemberBroken { cluster, node, generation, reason } => {
            node::observations::member_broken(state, cluster, node, *generation, reason)
        }
        Observation::BackupTaken { cluster, backup, snapshot } => {
            backup::commands::taken(state, cluster, *backup, snapshot)
        }
        Observation::DriftRepaired { cluster, generation, objects } => {
            addons::commands::repaired(state, cluster, *generation, objects)
        }
        Observation::PeerRequested { cluster, worker, public_key } => {
            tunnel::commands::link(state, cluster, worker, *public_key)
        }
        Observation::StraysSeen { name, generation, strays } => {
            hypervisor::commands::strays_seen(state, name, *generation, strays)
        }
        Observation::WorkerGone { cluster, worker, public_key } => {
            tunnel::commands::unlink(state, cluster, worker, *public_key)
        }
        Observation::TunnelNeeded { cluster, objects } => {
            tunnel::commands::needed(state, cluster, objects)
        }
    })
}
