//! Commands in, events or a refusal out.

mod addons;
mod authentication;
mod backup;
mod cluster;
mod endpoint;
mod follow;
mod hypervisor;
mod job;
mod node;
mod replace;
mod rotate;
mod scale;
mod tunnel;
mod upgrade;

pub use addons::JOIN_TOKEN;
pub use authentication::own_issuer;
pub(crate) use replace::can_replace;
pub use tunnel::TUNNEL_KEY;

use crate::level;
use crate::mint::Mint;
use crate::rejection::Rejection;
use crate::state::{Cluster, ClusterPhase, State};
use oi_events::{
    ClusterName, Command, CommandEnvelope, CommandId, Event, FeatureLevelRaisedV1, Generation,
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
    decide_command(state, envelope.id, &envelope.command, context)
}

/// The same without what only its sender asked for.
pub(crate) fn decide_command(
    state: &State,
    id: CommandId,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    // No older server has read a log that holds nothing: it begins at the newest level.
    let begins = context.begins.filter(|_| state.position == 0);
    let begun = begins.map(|level| State { raised: level, ..state.clone() });
    let mut events = answer(begun.as_ref().unwrap_or(state), id, command, context)?;
    follow::follow(state, &mut events);
    if let Some(level) = begins {
        events.insert(0, FeatureLevelRaisedV1 { level }.into());
    }
    Ok(events)
}

fn answer(
    state: &State,
    id: CommandId,
    command: &Command,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    level::check(state, command)?;
    match command {
        Command::RegisterHypervisor(c) => hypervisor::register(state, c),
        Command::CordonHypervisor(c) => hypervisor::cordon(state, c),
        Command::SharePorts(c) => hypervisor::share(state, c),
        Command::UnregisterHypervisor(c) => hypervisor::unregister(state, c),
        Command::ReportObservation(c) => hypervisor::observe(state, &c.observation),
        Command::CreateCluster(c) => cluster::create(state, id, c, context),
        Command::DeleteCluster(c) => cluster::delete(state, c),
        Command::RecordKubeconfig(c) => cluster::record_kubeconfig(state, c),
        Command::AddNode(c) => node::add(state, c, context),
        Command::RemoveNode(c) => node::remove(state, c),
        Command::ReportJob(c) => job::report(state, c, context.now_ms),
        Command::RetryJob(c) => job::retry(state, c),
        Command::CancelJob(c) => job::cancel(state, c),
        Command::ReplaceNode(c) => replace::replace(state, c, context),
        Command::UpgradeCluster(c) => upgrade::start(state, c),
        Command::ChangeUpgrade(c) => upgrade::change(state, c),
        Command::HibernateCluster(c) => cluster::hibernate(state, c, context),
        Command::ScheduleDeletion(c) => cluster::schedule_deletion(state, c, context.now_ms),
        Command::UndeleteCluster(c) => cluster::undelete(state, c, context),
        Command::ForgetOrphans(c) => hypervisor::forget_orphans(state, c),
        Command::RenewCertificates(c) => node::renew(state, c, context),
        Command::ScaleCluster(c) => scale::scale(state, c, context),
        Command::BackupCluster(c) => backup::start(state, id, c),
        Command::ScheduleBackups(c) => backup::schedule(state, c),
        Command::DeleteBackup(c) => backup::delete(state, c),
        Command::RestoreCluster(c) => backup::restore(state, c),
        Command::CloneCluster(c) => backup::clone(state, id, c, context),
        Command::RotateCa(c) => rotate::rotate(state, c, context),
        Command::RaiseFeatureLevel(c) => level::raise(state, c),
        Command::SetAddons(c) => addons::set_addons(state, c),
        Command::CreateJoinToken(c) => addons::create_token(state, id, c, context),
        Command::RevokeJoinToken(c) => addons::revoke_token(state, c, context.now_ms),
        Command::EnableTunnel(c) => tunnel::enable(state, c, context),
        Command::SetEndpoint(c) => endpoint::set(state, c, context),
        Command::SetAuthentication(c) => authentication::set(state, c),
    }
}

/// The generation that a decision gives: the position that its commit will have.
fn next_generation(state: &State) -> Generation {
    Generation(state.position + 1)
}

fn known<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    state.clusters.get(name).map(|c| &**c).ok_or_else(|| Rejection::ClusterUnknown(name.clone()))
}

/// A cluster that is to stay.
fn staying<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = known(state, name)?;
    if cluster.phase == ClusterPhase::Deleting {
        return Err(Rejection::ClusterDeleting(name.clone()));
    }
    if cluster.delete_at_ms.is_some() {
        return Err(Rejection::DeletionScheduled(name.clone()));
    }
    Ok(cluster)
}

/// A cluster that runs, and is not being restored.
fn settled<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = running(state, name)?;
    if cluster.restore.is_some() {
        Err(Rejection::RestoreRunning(name.clone()))
    } else {
        Ok(cluster)
    }
}

/// A cluster whose nodes can be changed.
fn running<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = staying(state, name)?;
    if cluster.hibernated { Err(Rejection::ClusterHibernated(name.clone())) } else { Ok(cluster) }
}
