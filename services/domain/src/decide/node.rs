//! Decisions about nodes.

use super::{Context, next_generation};
use crate::mint::{Leaf, MintError};
use crate::network::service_ip;
use crate::placement::place;
use crate::rejection::Rejection;
use crate::state::{Cluster, ClusterPhase, Node, State};
use oi_events::{
    AddNodeV1, CertificateReplacedV1, Credential, Event, JobKind, NodeAddedV1, NodeChangedV1,
    NodeRemovalStartedV1, RemoveNodeV1, Role,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn add(
    state: &State,
    c: &AddNodeV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = state
        .clusters
        .get(&c.cluster)
        .ok_or_else(|| Rejection::ClusterUnknown(c.cluster.clone()))?;
    if cluster.phase == ClusterPhase::Deleting {
        return Err(Rejection::ClusterDeleting(c.cluster.clone()));
    }
    if cluster.nodes.contains_key(&c.name) {
        return Err(Rejection::NodeExists { cluster: c.cluster.clone(), node: c.name.clone() });
    }
    let (hypervisor, ports) = place(state, &c.cluster, c.role, c.hypervisor.as_ref())?;
    let address = state.hypervisors[&hypervisor].spec.address;
    let generation = next_generation(state);
    let credentials = match c.role {
        Role::ControlPlane => control_plane_credentials(state, c, cluster, address, context)?,
        Role::ControlPlaneIngress => Vec::new(),
    };
    let mut events: Vec<Event> = vec![
        NodeAddedV1 {
            cluster: c.cluster.clone(),
            name: c.name.clone(),
            role: c.role,
            hypervisor,
            generation,
            ports,
            credentials,
        }
        .into(),
    ];
    match c.role {
        // Ingresses must learn of their new backend.
        Role::ControlPlane => {
            events.extend(cluster.ingresses().into_iter().map(|(name, _)| {
                Event::from(NodeChangedV1 {
                    cluster: c.cluster.clone(),
                    node: name.clone(),
                    generation,
                })
            }));
        }
        Role::ControlPlaneIngress => {
            for (name, node) in cluster.control_planes() {
                if let Some(credential) =
                    replacement(state, cluster, node, address, context).transpose()?
                {
                    events.push(
                        CertificateReplacedV1 {
                            cluster: c.cluster.clone(),
                            node: name.clone(),
                            generation,
                            credential,
                        }
                        .into(),
                    );
                }
            }
        }
    }
    Ok(events)
}

/// Names under which clients may reach an API server: kubeadm's, the node's own
/// address, and those of all public hypervisors, where ingresses are or will be.
fn serving_leaf(state: &State, cluster: &Cluster, own: IpAddr) -> Leaf {
    let mut dns: Vec<String> =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned).to_vec();
    dns.push(format!("kubernetes.default.svc.{}", cluster.dns_domain));
    dns.push("localhost".to_owned());
    let mut ips = BTreeSet::from([own, IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    ips.extend(service_ip(&cluster.service_cidr, 1));
    ips.extend(state.hypervisors.values().filter(|h| h.spec.public).map(|h| h.spec.address));
    for san in &cluster.extra_sans {
        match san.parse() {
            Ok(ip) => {
                ips.insert(ip);
            }
            Err(_) => dns.push(san.clone()),
        }
    }
    Leaf::ApiServer { dns, ips: ips.into_iter().collect() }
}

fn mint_leaf(
    cluster: &Cluster,
    leaf: &Leaf,
    context: &Context<'_>,
) -> Result<Credential, MintError> {
    let authority = leaf.authority().name();
    let issuer = cluster.credentials.get(authority).ok_or_else(|| MintError {
        what: leaf.name().to_owned(),
        source: format!("the cluster has no authority {authority}").into(),
    })?;
    context.mint.leaf(cluster.uid, issuer, leaf)
}

fn control_plane_credentials(
    state: &State,
    c: &AddNodeV1,
    cluster: &Cluster,
    address: IpAddr,
    context: &Context<'_>,
) -> Result<Vec<Credential>, Rejection> {
    let ips = vec![address, IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let member = c.name.to_string();
    [
        serving_leaf(state, cluster, address),
        Leaf::ApiServerKubeletClient,
        Leaf::ApiServerEtcdClient,
        Leaf::EtcdServer { member: member.clone(), ips: ips.clone() },
        Leaf::EtcdPeer { member, ips },
        Leaf::EtcdHealthcheckClient,
        Leaf::FrontProxyClient,
        Leaf::ControllerManager,
        Leaf::Scheduler,
    ]
    .iter()
    .map(|leaf| mint_leaf(cluster, leaf, context).map_err(Rejection::from))
    .collect()
}

/// A serving certificate that also names a new ingress' address; none where the
/// node was added when that hypervisor was known, for then it is named already.
fn replacement(
    state: &State,
    cluster: &Cluster,
    node: &Node,
    ingress: IpAddr,
    context: &Context<'_>,
) -> Option<Result<Credential, MintError>> {
    let known_then = state
        .hypervisors
        .values()
        .any(|h| h.spec.address == ingress && h.generation < certified_at(node));
    if known_then {
        return None;
    }
    let own = state.hypervisors.get(&node.hypervisor)?.spec.address;
    Some(mint_leaf(cluster, &serving_leaf(state, cluster, own), context))
}

/// The position at which the node's serving certificate was made, at the latest.
fn certified_at(node: &Node) -> oi_events::Generation {
    node.added
}

pub(super) fn remove(state: &State, c: &RemoveNodeV1) -> Result<Vec<Event>, Rejection> {
    let cluster = state
        .clusters
        .get(&c.cluster)
        .ok_or_else(|| Rejection::ClusterUnknown(c.cluster.clone()))?;
    let node = cluster.nodes.get(&c.name).ok_or_else(|| Rejection::NodeUnknown {
        cluster: c.cluster.clone(),
        node: c.name.clone(),
    })?;
    if node.removing {
        return Ok(Vec::new());
    }
    let generation = next_generation(state);
    let mut events: Vec<Event> = vec![
        NodeRemovalStartedV1 { cluster: c.cluster.clone(), name: c.name.clone(), generation }
            .into(),
    ];
    if node.role == Role::ControlPlane {
        check_membership(cluster, c)?;
        events.extend(cluster.ingresses().into_iter().map(|(name, _)| {
            Event::from(NodeChangedV1 {
                cluster: c.cluster.clone(),
                node: name.clone(),
                generation,
            })
        }));
    }
    Ok(events)
}

/// The rest must be members already, and no other member may be on its way out.
fn check_membership(cluster: &Cluster, c: &RemoveNodeV1) -> Result<(), Rejection> {
    let others: Vec<_> =
        cluster.control_planes().into_iter().filter(|(name, _)| **name != c.name).collect();
    if others.is_empty() {
        return Err(Rejection::LastControlPlane {
            cluster: c.cluster.clone(),
            node: c.name.clone(),
        });
    }
    let busy = |what| Rejection::MembershipBusy { cluster: c.cluster.clone(), what };
    if others.iter().any(|(_, n)| !n.done.contains(&JobKind::EnsureEtcd)) {
        return Err(busy("joining"));
    }
    if cluster.nodes.values().any(|n| n.role == Role::ControlPlane && n.removing) {
        return Err(busy("leaving"));
    }
    Ok(())
}
