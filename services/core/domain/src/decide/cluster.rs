//! Decisions about clusters.

use super::{Context, known, next_generation, node, staying};
use crate::mint::{Ca, ENCRYPTION_KEY, SERVICE_ACCOUNT, fingerprint};
use crate::network::check_cluster;
use crate::rejection::Rejection;
use crate::state::{ClusterPhase, State};
use oi_events::{
    ClusterCreatedV1, ClusterDeletionScheduledV1, ClusterDeletionStartedV2, ClusterHibernatedV1,
    ClusterName, ClusterUid, CommandId, CreateClusterV1, Credential, DeleteClusterV2, Event, Hash,
    HibernateClusterV1, KubeconfigIssuedV2, NodeRemovalStartedV1, RecordKubeconfigV2,
    ScheduleDeletionV1, UndeleteClusterV1,
};

pub(super) fn create(
    state: &State,
    id: CommandId,
    c: &CreateClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if state.clusters.contains_key(&c.name) {
        return Err(Rejection::ClusterExists(c.name.clone()));
    }
    check_cluster(state, c)?;
    let uid = ClusterUid(id.0);
    let mut credentials = identities(uid, context)?;
    credentials.push(context.mint.secret(uid, ENCRYPTION_KEY)?);
    Ok(vec![created(uid, c, credentials)])
}

/// Authorities and the service account key pair.
pub(super) fn identities(
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

pub(super) fn created(uid: ClusterUid, c: &CreateClusterV1, credentials: Vec<Credential>) -> Event {
    ClusterCreatedV1 {
        name: c.name.clone(),
        uid,
        kubernetes_version: c.kubernetes_version.clone(),
        pod_cidr: c.pod_cidr.clone(),
        service_cidr: c.service_cidr.clone(),
        dns_domain: c.dns_domain.clone(),
        extra_sans: c.extra_sans.clone(),
        credentials,
    }
    .into()
}

pub(super) fn delete(state: &State, c: &DeleteClusterV2) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    if cluster.phase == ClusterPhase::Deleting {
        return Ok(Vec::new());
    }
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

pub(super) fn hibernate(
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
        events.extend(node::renewal(state, name, node, context)?);
    }
    Ok(events)
}

/// It stops now and is deleted later, unless it is asked for again.
pub(super) fn schedule_deletion(
    state: &State,
    c: &ScheduleDeletionV1,
    now_ms: u64,
) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    if cluster.phase == ClusterPhase::Deleting || cluster.delete_at_ms.is_some() {
        return Ok(Vec::new());
    }
    let at_ms = Some(now_ms.saturating_add(c.grace_ms));
    let mut events = vec![ClusterDeletionScheduledV1 { name: c.name.clone(), at_ms }.into()];
    if !cluster.hibernated {
        events.push(hibernated(state, &c.name, true));
    }
    Ok(events)
}

pub(super) fn undelete(
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

pub(super) fn record_kubeconfig(
    state: &State,
    c: &RecordKubeconfigV2,
) -> Result<Vec<Event>, Rejection> {
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
