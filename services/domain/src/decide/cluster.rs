//! Decisions about clusters.

use super::{Context, next_generation};
use crate::mint::{Authority, ENCRYPTION_KEY, SERVICE_ACCOUNT};
use crate::network::check_cluster;
use crate::rejection::Rejection;
use crate::state::{ClusterPhase, State};
use oi_events::{
    ClusterCreatedV1, ClusterDeletionStartedV1, ClusterUid, CommandId, CreateClusterV1,
    DeleteClusterV1, Event, KubeconfigIssuedV1, NodeRemovalStartedV1, RecordKubeconfigV1,
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
    let mut credentials = Vec::new();
    for authority in Authority::ALL {
        credentials.push(context.mint.authority(uid, authority)?);
    }
    credentials.push(context.mint.key_pair(uid, SERVICE_ACCOUNT)?);
    credentials.push(context.mint.secret(uid, ENCRYPTION_KEY)?);
    Ok(vec![
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
        .into(),
    ])
}

pub(super) fn delete(state: &State, c: &DeleteClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster =
        state.clusters.get(&c.name).ok_or_else(|| Rejection::ClusterUnknown(c.name.clone()))?;
    if cluster.phase == ClusterPhase::Deleting {
        return Ok(Vec::new());
    }
    let generation = next_generation(state);
    let mut events = vec![ClusterDeletionStartedV1 { name: c.name.clone(), generation }.into()];
    for name in cluster.nodes.keys() {
        events.push(
            NodeRemovalStartedV1 { cluster: c.name.clone(), name: name.clone(), generation }.into(),
        );
    }
    Ok(events)
}

pub(super) fn record_kubeconfig(
    state: &State,
    c: &RecordKubeconfigV1,
) -> Result<Vec<Event>, Rejection> {
    let cluster = state
        .clusters
        .get(&c.cluster)
        .ok_or_else(|| Rejection::ClusterUnknown(c.cluster.clone()))?;
    if cluster.phase == ClusterPhase::Deleting {
        return Err(Rejection::ClusterDeleting(c.cluster.clone()));
    }
    Ok(vec![
        KubeconfigIssuedV1 {
            cluster: c.cluster.clone(),
            common_name: c.common_name.clone(),
            organizations: c.organizations.clone(),
            serial: c.serial.clone(),
            not_after_ms: c.not_after_ms,
        }
        .into(),
    ])
}
