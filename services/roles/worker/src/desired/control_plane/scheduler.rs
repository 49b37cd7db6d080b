//! The scheduler.

use super::{Described, ETC, LEADER_ELECTION, add_kubeconfig, component_dir, container};
use crate::desired::{DesiredError, Files, Mount, NodeContext, Secrets};
use oi_domain::Ca;
use oi_events::Component;

pub fn describe(
    ctx: &NodeContext,
    secrets: &Secrets<'_>,
    port: u16,
) -> Result<Described, DesiredError> {
    let dir = component_dir(ctx, Component::Scheduler);
    let mut files = Files::new(dir.clone());
    files.at_start("pki/ca.crt", secrets.trusted(Ca::Kubernetes)?);
    add_kubeconfig(&mut files, secrets, "scheduler", "system:kube-scheduler", port)?;
    let mut flags = vec![
        format!("--authentication-kubeconfig={ETC}/kubeconfig"),
        format!("--authorization-kubeconfig={ETC}/kubeconfig"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--kubeconfig={ETC}/kubeconfig"),
    ];
    flags.extend(LEADER_ELECTION.map(str::to_owned));
    let mounts = vec![Mount::read_only(dir, ETC)];
    Ok(container(ctx, Component::Scheduler, flags, mounts, files))
}
