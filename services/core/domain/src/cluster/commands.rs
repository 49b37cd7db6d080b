//! Decisions about clusters.

use crate::backup::restore::STAGED;
use crate::cluster::ClusterPhase;
use crate::cluster::spec::check_spec;
use crate::decide::Context;
use crate::guards::{known, next_generation, staying, unreferenced, unused};
use crate::mint::{Ca, ENCRYPTION_KEY, SERVICE_ACCOUNT, fingerprint};
use crate::node::certificates::renewal;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ClusterCommand, ClusterCreatedV1, ClusterDeletionScheduledV1, ClusterDeletionStartedV2,
    ClusterHibernatedV1, ClusterName, ClusterUid, CommandId, CreateClusterV1, Credential,
    DeleteClusterV2, Event, Hash, HibernateClusterV1, KubeconfigIssuedV2, NodeRemovalStartedV1,
    RecordKubeconfigV2, ScheduleDeletionV1, UndeleteClusterV1,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    id: CommandId,
    command: &ClusterCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        ClusterCommand::CreateCluster(c) => create(state, id, c, context),
        ClusterCommand::DeleteCluster(c) => delete(state, c),
        ClusterCommand::ScheduleDeletion(c) => schedule_deletion(state, c, context.now_ms),
        ClusterCommand::UndeleteCluster(c) => undelete(state, c, context),
        ClusterCommand::HibernateCluster(c) => hibernate(state, c, context),
        ClusterCommand::RecordKubeconfig(c) => record_kubeconfig(state, c),
    }
}

pub(crate) fn create(
    state: &State,
    id: CommandId,
    c: &CreateClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    unused(state, &c.name)?;
    check_spec(state, &c.spec)?;
    let uid = ClusterUid(id.0);
    let mut credentials = identities(uid, context)?;
    credentials.push(context.mint.secret(uid, ENCRYPTION_KEY)?);
    Ok(vec![created(uid, c, credentials)])
}

/// Authorities and the service account key pair.
pub(crate) fn identities(
    uid: ClusterUid,
    context: &Context<'_>,
) -> Result<Vec<Credential>, Rejection> {
    let mut credentials = Vec::new();
    for authority in Ca::ALL {
        credentials.push(context.mint.ca(uid, authority)?);
    }
    credentials.push(context.mint.key_pair(uid, SERVICE_ACCOUNT)?);
    Ok(credentials)
}

pub(crate) fn created(uid: ClusterUid, c: &CreateClusterV1, credentials: Vec<Credential>) -> Event {
    ClusterCreatedV1 { name: c.name.clone(), uid, spec: c.spec.clone(), credentials }.into()
}

fn delete(state: &State, c: &DeleteClusterV2) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    if cluster.phase == ClusterPhase::Deleting {
        return Ok(Vec::new());
    }
    unreferenced(state, &c.name, cluster, None)?;
    let generation = next_generation(state);
    let (name, forget_orphans) = (c.name.clone(), c.forget_orphans);
    let mut events = vec![ClusterDeletionStartedV2 { name, generation, forget_orphans }.into()];
    for name in cluster.nodes.keys() {
        events.push(
            NodeRemovalStartedV1 { cluster: c.name.clone(), name: name.clone(), generation }.into(),
        );
    }
    Ok(events)
}

fn hibernate(
    state: &State,
    c: &HibernateClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.name)?;
    if cluster.hibernated == c.hibernated {
        return Ok(Vec::new());
    }
    if !c.hibernated {
        return wake(state, &c.name, context);
    }
    let moving = cluster.nodes.values().any(|n| n.removing)
        || cluster.control_planes().iter().any(|(_, n)| !n.joined);
    let changing = cluster.upgrade.is_some() || cluster.restore.is_some();
    if cluster.phase != ClusterPhase::Ready || changing || moving {
        return Err(Rejection::ClusterBusy(c.name.clone()));
    }
    Ok(vec![hibernated(state, &c.name, true)])
}

fn hibernated(state: &State, name: &ClusterName, hibernated: bool) -> Event {
    let (name, generation) = (name.clone(), next_generation(state));
    ClusterHibernatedV1 { name, hibernated, generation }.into()
}

/// It runs again, with certificates that have not ended while it slept.
fn wake(state: &State, name: &ClusterName, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, name)?;
    let mut events = vec![hibernated(state, name, false)];
    for node in cluster.nodes.iter().filter(|(_, n)| !n.removing).map(|(name, _)| name) {
        events.extend(renewal(state, name, node, context)?);
    }
    Ok(events)
}

/// It stops now and is deleted later, unless it is asked for again.
fn schedule_deletion(
    state: &State,
    c: &ScheduleDeletionV1,
    now_ms: u64,
) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    if cluster.phase == ClusterPhase::Deleting || cluster.delete_at_ms.is_some() {
        return Ok(Vec::new());
    }
    // It would wake up amid the restore, with nobody to go on from.
    if state.level() >= STAGED && cluster.is_down() {
        return Err(Rejection::RestoreRunning(c.name.clone()));
    }
    let at_ms = Some(now_ms.saturating_add(c.grace_ms));
    let mut events = vec![ClusterDeletionScheduledV1 { name: c.name.clone(), at_ms }.into()];
    if !cluster.hibernated {
        events.push(hibernated(state, &c.name, true));
    }
    Ok(events)
}

fn undelete(
    state: &State,
    c: &UndeleteClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    if cluster.phase == ClusterPhase::Deleting {
        return Err(Rejection::ClusterDeleting(c.name.clone()));
    }
    if cluster.delete_at_ms.is_none() {
        return Ok(Vec::new());
    }
    let mut events = vec![ClusterDeletionScheduledV1 { name: c.name.clone(), at_ms: None }.into()];
    events.extend(wake(state, &c.name, context)?);
    Ok(events)
}

fn record_kubeconfig(state: &State, c: &RecordKubeconfigV2) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    let mut trusted = cluster.trusted(Ca::Kubernetes).into_iter().map(fingerprint);
    if c.issuer != Hash::ZERO && !trusted.any(|f| f == c.issuer) {
        return Err(Rejection::CaRetired(c.cluster.clone()));
    }
    Ok(vec![
        KubeconfigIssuedV2 {
            cluster: c.cluster.clone(),
            common_name: c.common_name.clone(),
            organizations: c.organizations.clone(),
            serial: c.serial.clone(),
            not_after_ms: c.not_after_ms,
            issuer: c.issuer,
        }
        .into(),
    ])
}
