//! Decisions about whose a cluster is.

use crate::cluster;
use crate::decide::Context;
use crate::guards::known;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ClusterName, CommandId, CreateClusterForTenantV1, CreateClusterV1, Event, SetTenantV1,
    TenantCommand, TenantName, TenantSetV1,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    id: CommandId,
    command: &TenantCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        TenantCommand::CreateClusterForTenant(c) => create(state, id, c, context),
        TenantCommand::SetTenant(c) => set_tenant(state, c),
    }
}

fn create(
    state: &State,
    id: CommandId,
    c: &CreateClusterForTenantV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let plain = CreateClusterV1 { name: c.name.clone(), spec: c.spec.clone() };
    let mut events = cluster::commands::create(state, id, &plain, context)?;
    events.push(set(&c.name, Some(c.tenant.clone())));
    Ok(events)
}

fn set_tenant(state: &State, c: &SetTenantV1) -> Result<Vec<Event>, Rejection> {
    known(state, &c.cluster)?;
    if state.tenants.of(&c.cluster) == c.tenant.as_ref() {
        return Ok(Vec::new());
    }
    Ok(vec![set(&c.cluster, c.tenant.clone())])
}

/// From here on, a cluster is that tenant's.
pub(crate) fn set(cluster: &ClusterName, tenant: Option<TenantName>) -> Event {
    TenantSetV1 { cluster: cluster.clone(), tenant }.into()
}
