//! Decisions about nodes.

use super::{Context, known, next_generation, running, settled, staying};
use crate::mint::{Leaf, MintError};
use crate::network::service_ip;
use crate::placement::place;
use crate::rejection::Rejection;
use crate::state::{Cluster, Node, State};
use oi_events::{
    AddNodeV1, CertificateReplacedV1, ClusterName, Credential, Event, Generation, HypervisorName,
    NodeAddedV1, NodeChangedV1, NodeName, NodeRemovalStartedV1, PortV1, RemoveNodeV1,
    RenewCertificatesV1, Role,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn add(
    state: &State,
    c: &AddNodeV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = running(state, &c.cluster)?;
    if cluster.nodes.contains_key(&c.name) {
        return Err(Rejection::NodeExists { cluster: c.cluster.clone(), node: c.name.clone() });
    }
    let (hypervisor, ports) = place(state, &c.cluster, c.role, c.hypervisor.as_ref())?;
    let placing = Placing { name: c.name.clone(), role: c.role, hypervisor, ports };
    place_node(state, &c.cluster, placing, context)
}

/// A node with its place.
pub(super) struct Placing {
    pub name: NodeName,
    pub role: Role,
    pub hypervisor: HypervisorName,
    pub ports: Vec<PortV1>,
}

/// A node comes, and the others of its cluster learn of it.
pub(super) fn place_node(
    state: &State,
    cluster_name: &ClusterName,
    placing: Placing,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, cluster_name)?;
    let Placing { name, role, hypervisor, ports } = placing;
    let address = state.hypervisors[&hypervisor].spec.address;
    let generation = next_generation(state);
    let credentials = match role {
        Role::ControlPlane | Role::ApiServer => {
            let of_member = role == Role::ControlPlane;
            control_plane_credentials(state, &name, cluster, address, of_member, context)?
        }
        Role::ControlPlaneIngress => Vec::new(),
    };
    let mut events: Vec<Event> = vec![
        NodeAddedV1 {
            cluster: cluster_name.clone(),
            name,
            role,
            hypervisor,
            generation,
            ports,
            credentials,
        }
        .into(),
    ];
    match role {
        Role::ControlPlane | Role::ApiServer => {
            events.extend(ingresses_changed(cluster, cluster_name, generation));
        }
        Role::ControlPlaneIngress => {
            let unnamed = |n: &Node| !names(state, n, address);
            events.extend(named(state, cluster_name, cluster, unnamed, context)?);
        }
    }
    Ok(events)
}

/// Serving certificates of API servers that are `wanted`, made for the names that the cluster
/// has `after` a decision.
pub(super) fn named(
    state: &State,
    name: &ClusterName,
    after: &Cluster,
    wanted: impl Fn(&Node) -> bool,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let generation = next_generation(state);
    let certified = after.nodes.iter().filter(|(_, n)| !n.removing && n.is_certified());
    let own = certified.filter(|(_, n)| wanted(n));
    let own = own.filter_map(|(node, n)| Some((node, state.hypervisors.get(&n.hypervisor)?)));
    own.map(|(node, h)| {
        let leaf = serving_leaf(state, after, h.spec.address);
        let credential = mint_leaf(after, &leaf, context)?;
        let (cluster, node) = (name.clone(), node.clone());
        Ok(CertificateReplacedV1 { cluster, node, generation, credential }.into())
    })
    .collect()
}

/// Names under which clients may reach an API server: kubeadm's, the node's own address,
/// those of all public hypervisors, where ingresses are or will be, and the cluster's own.
fn serving_leaf(state: &State, cluster: &Cluster, own: IpAddr) -> Leaf {
    let mut dns: Vec<String> =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned).to_vec();
    dns.push(format!("kubernetes.default.svc.{}", cluster.dns_domain));
    dns.push("localhost".to_owned());
    let mut ips = BTreeSet::from([own, IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    ips.extend(service_ip(&cluster.service_cidr, 1));
    ips.extend(state.hypervisors.values().filter(|h| h.spec.public).map(|h| h.spec.address));
    let host = cluster.endpoint.as_ref().map(|e| &e.host);
    for san in cluster.extra_sans.iter().chain(host) {
        match san.parse() {
            Ok(ip) => {
                ips.insert(ip);
            }
            Err(_) if dns.contains(san) => {}
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
    let authority = leaf.ca().name();
    let issuer = cluster.credentials.get(authority).ok_or_else(|| MintError {
        what: leaf.name().to_owned(),
        source: format!("the cluster has no authority {authority}").into(),
    })?;
    context.mint.leaf(cluster.uid, issuer, leaf)
}

/// Ingresses must learn of backends that come and go.
pub(super) fn ingresses_changed(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
) -> Vec<Event> {
    changed(cluster, name, generation, Role::ControlPlaneIngress)
}

/// API servers without a member of their own must learn of members that come and go.
pub(super) fn members_changed(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
) -> Vec<Event> {
    changed(cluster, name, generation, Role::ApiServer)
}

fn changed(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
    role: Role,
) -> Vec<Event> {
    let nodes = cluster.nodes.iter().filter(|(_, n)| n.role == role && !n.removing);
    nodes
        .map(|(node, _)| {
            NodeChangedV1 { cluster: name.clone(), node: node.clone(), generation }.into()
        })
        .collect()
}

/// All identities of a control plane's components, and of a member.
fn leaves(
    state: &State,
    member: &NodeName,
    cluster: &Cluster,
    address: IpAddr,
    of_member: bool,
) -> Vec<Leaf> {
    let ips = vec![address, IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let member = member.to_string();
    let mut leaves = vec![
        serving_leaf(state, cluster, address),
        Leaf::ApiServerKubeletClient,
        Leaf::ApiServerEtcdClient,
    ];
    if of_member {
        leaves.extend([
            Leaf::EtcdServer { member: member.clone(), ips: ips.clone() },
            Leaf::EtcdPeer { member, ips },
            Leaf::EtcdHealthcheckClient,
        ]);
    }
    leaves.extend([Leaf::FrontProxyClient, Leaf::ControllerManager, Leaf::Scheduler]);
    leaves
}

fn control_plane_credentials(
    state: &State,
    member: &NodeName,
    cluster: &Cluster,
    address: IpAddr,
    of_member: bool,
    context: &Context<'_>,
) -> Result<Vec<Credential>, Rejection> {
    leaves(state, member, cluster, address, of_member)
        .iter()
        .map(|leaf| mint_leaf(cluster, leaf, context).map_err(Rejection::from))
        .collect()
}

/// Certificates that are due are made anew, as they would be today.
pub(super) fn renew(
    state: &State,
    c: &RenewCertificatesV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    running(state, &c.cluster)?;
    renewal(state, &c.cluster, &c.node, context)
}

pub(super) fn renewal(
    state: &State,
    cluster_name: &ClusterName,
    name: &NodeName,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, cluster_name)?;
    let unknown = || Rejection::NodeUnknown { cluster: cluster_name.clone(), node: name.clone() };
    let node = cluster.nodes.get(name).ok_or_else(unknown)?;
    let Some(hypervisor) = state.hypervisors.get(&node.hypervisor) else { return Ok(Vec::new()) };
    let generation = next_generation(state);
    let due =
        |leaf: &&Leaf| node.renew_at_ms.get(leaf.name()).is_some_and(|at| *at <= context.now_ms);
    let of_member = node.role == Role::ControlPlane;
    leaves(state, name, cluster, hypervisor.spec.address, of_member)
        .iter()
        .filter(due)
        .map(|leaf| {
            let credential = mint_leaf(cluster, leaf, context)?;
            let (cluster, node) = (cluster_name.clone(), name.clone());
            Ok(CertificateReplacedV1 { cluster, node, generation, credential }.into())
        })
        .collect()
}

/// Whether a node's serving certificate names an ingress' address already: it does where the
/// node was added when that hypervisor was known.
fn names(state: &State, node: &Node, ingress: IpAddr) -> bool {
    let mut hypervisors = state.hypervisors.values();
    hypervisors.any(|h| h.spec.address == ingress && h.generation < certified_at(node))
}

/// The position at which the node's serving certificate was made, at the latest.
fn certified_at(node: &Node) -> oi_events::Generation {
    node.added
}

pub(super) fn remove(state: &State, c: &RemoveNodeV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    let node = cluster.nodes.get(&c.name).ok_or_else(|| Rejection::NodeUnknown {
        cluster: c.cluster.clone(),
        node: c.name.clone(),
    })?;
    if node.removing {
        return Ok(Vec::new());
    }
    settled(state, &c.cluster)?;
    removal(cluster, &c.cluster, &c.name, next_generation(state))
}

/// A node goes, and the others of its cluster learn of it.
pub(super) fn removal(
    cluster: &Cluster,
    cluster_name: &ClusterName,
    name: &NodeName,
    generation: Generation,
) -> Result<Vec<Event>, Rejection> {
    let (c, node) = (cluster_name.clone(), name.clone());
    let mut events: Vec<Event> =
        vec![NodeRemovalStartedV1 { cluster: c, name: node, generation }.into()];
    let Some(node) = cluster.nodes.get(name) else { return Ok(events) };
    if node.role == Role::ControlPlane {
        check_membership(cluster, cluster_name, name)?;
        events.extend(members_changed(cluster, cluster_name, generation));
    }
    check_components(cluster, cluster_name, name, node)?;
    if node.role != Role::ControlPlaneIngress {
        events.extend(ingresses_changed(cluster, cluster_name, generation));
    }
    Ok(events)
}

/// Another node must run what this one does.
fn check_components(
    cluster: &Cluster,
    cluster_name: &ClusterName,
    name: &NodeName,
    node: &Node,
) -> Result<(), Rejection> {
    for component in &node.components {
        if cluster.carriers(*component).iter().all(|(other, _)| *other == name) {
            return Err(Rejection::LastComponent {
                cluster: cluster_name.clone(),
                node: name.clone(),
                component: component.as_str(),
            });
        }
    }
    Ok(())
}

/// The rest must be members already, and no other member may be on its way out.
fn check_membership(
    cluster: &Cluster,
    name: &ClusterName,
    node: &NodeName,
) -> Result<(), Rejection> {
    let others: Vec<_> =
        cluster.control_planes().into_iter().filter(|(other, _)| *other != node).collect();
    if others.is_empty() {
        return Err(Rejection::LastControlPlane { cluster: name.clone(), node: node.clone() });
    }
    let busy = |what| Rejection::MembershipBusy { cluster: name.clone(), what };
    if others.iter().any(|(_, n)| !n.joined) {
        return Err(busy("joining"));
    }
    if cluster.nodes.values().any(|n| n.role == Role::ControlPlane && n.removing) {
        return Err(busy("leaving"));
    }
    Ok(())
}
