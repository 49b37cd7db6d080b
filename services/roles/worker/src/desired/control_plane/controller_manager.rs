//! The controller manager.

use super::{Described, ETC, LEADER_ELECTION, add_kubeconfig, component_dir, container};
use crate::desired::{DesiredError, Files, Mount, NodeContext, Secrets};
use oi_domain::{Ca, SERVICE_ACCOUNT};
use oi_events::Component;

pub fn describe(
    ctx: &NodeContext,
    secrets: &Secrets<'_>,
    port: u16,
) -> Result<Described, DesiredError> {
    let dir = component_dir(ctx, Component::ControllerManager);
    let mut files = Files::new(dir.clone());
    files.at_start("pki/ca.crt", secrets.trusted(Ca::Kubernetes)?);
    let signing = Ca::Kubernetes.name();
    files.at_start("pki/signing-ca.crt", secrets.certificate(signing)?);
    files.at_start("pki/signing-ca.key", secrets.private_key(signing)?);
    files.at_start("pki/front-proxy-ca.crt", secrets.trusted(Ca::FrontProxy)?);
    files.at_start("pki/sa.key", secrets.private_key(SERVICE_ACCOUNT)?);
    let user = "system:kube-controller-manager";
    add_kubeconfig(&mut files, secrets, "controller-manager", user, port)?;
    let mounts = vec![Mount::read_only(dir, ETC)];
    Ok(container(ctx, Component::ControllerManager, flags(ctx), mounts, files))
}

fn flags(ctx: &NodeContext) -> Vec<String> {
    let cluster = &ctx.cluster;
    let mut flags = vec![
        "--allocate-node-cidrs=true".to_owned(),
        format!("--authentication-kubeconfig={ETC}/kubeconfig"),
        format!("--authorization-kubeconfig={ETC}/kubeconfig"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--client-ca-file={ETC}/pki/ca.crt"),
        format!("--cluster-cidr={}", cluster.spec.pod_cidr),
        format!("--cluster-name={}", ctx.cluster_name),
        format!("--cluster-signing-cert-file={ETC}/pki/signing-ca.crt"),
        format!("--cluster-signing-key-file={ETC}/pki/signing-ca.key"),
        "--controllers=*,bootstrapsigner,tokencleaner".to_owned(),
        // Not kubeadm's: with the defaults (20 and 30) its own rate limit delays a new cluster
        // by 5 s. The API server protects itself by priority and fairness.
        "--kube-api-burst=400".to_owned(),
        "--kube-api-qps=200".to_owned(),
        format!("--kubeconfig={ETC}/kubeconfig"),
        format!("--requestheader-client-ca-file={ETC}/pki/front-proxy-ca.crt"),
        format!("--root-ca-file={ETC}/pki/ca.crt"),
        format!("--service-account-private-key-file={ETC}/pki/sa.key"),
        format!("--service-cluster-ip-range={}", cluster.spec.service_cidr),
        "--use-service-account-credentials=true".to_owned(),
    ];
    flags.extend(LEADER_ELECTION.map(str::to_owned));
    flags
}
