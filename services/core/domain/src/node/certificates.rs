//! The certificates of a node's components: which there are, and what they name.

use crate::cluster::Cluster;
use crate::decide::Context;
use crate::guards::{known, next_generation, running};
use crate::mint::{Leaf, MintError};
use crate::node::Node;
use crate::rejection::Rejection;
use crate::state::State;
use crate::validate::service_ip;
use oi_events::{
    CertificateReplacedV1, ClusterName, ClusterUid, Credential, Event, NodeName,
    RenewCertificatesV1, Role,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// Serving certificates of API servers that are `wanted`, made for the names that the cluster
/// has `after` a decision.
pub(crate) fn named(
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
        let leaf = serving_leaf(state, after, h.spec.address)?;
        let credential = mint_leaf(after, &leaf, context)?;
        let (cluster, node) = (name.clone(), node.clone());
        Ok(CertificateReplacedV1 { cluster, node, generation, credential }.into())
    })
    .collect()
}

/// Names under which clients may reach an API server: kubeadm's, the node's own address,
/// those of all public hypervisors, where ingresses are or will be, and the cluster's own.
fn serving_leaf(state: &State, cluster: &Cluster, own: IpAddr) -> Result<Leaf, Rejection> {
    let mut dns: Vec<String> =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned).to_vec();
    dns.push(format!("kubernetes.default.svc.{}", cluster.spec.dns_domain));
    dns.push("localhost".to_owned());
    let mut ips = BTreeSet::from([own, IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    ips.insert(service_ip(&cluster.spec.service_cidr, 1)?);
    ips.extend(state.hypervisors.values().filter(|h| h.spec.public).map(|h| h.spec.address));
    let host = cluster.endpoint.as_ref().map(|e| &e.host);
    for san in cluster.spec.extra_sans.iter().chain(host) {
        match san.parse() {
            Ok(ip) => {
                ips.insert(ip);
            }
            Err(_) if dns.contains(san) => {}
            Err(_) => dns.push(san.clone()),
        }
    }
    Ok(Leaf::ApiServer { dns, ips: ips.into_iter().collect() })
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

/// The name in the certificates of a cluster's etcd peers, and in no other one of its authority.
pub fn etcd_peer_name(cluster: ClusterUid) -> String {
    format!("{cluster}.etcd-peer.oi")
}

/// All identities of a control plane's components, and of a member.
fn leaves(
    state: &State,
    member: &NodeName,
    cluster: &Cluster,
    address: IpAddr,
    of_member: bool,
) -> Result<Vec<Leaf>, Rejection> {
    let ips = vec![address, IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let member = member.to_string();
    let mut leaves = vec![
        serving_leaf(state, cluster, address)?,
        Leaf::ApiServerKubeletClient,
        Leaf::ApiServerEtcdClient,
    ];
    if of_member {
        leaves.extend([
            Leaf::EtcdServer { member: member.clone(), ips: ips.clone() },
            Leaf::EtcdPeer { member, peer_name: etcd_peer_name(cluster.uid), ips },
            Leaf::EtcdHealthcheckClient,
        ]);
    }
    leaves.extend([Leaf::FrontProxyClient, Leaf::ControllerManager, Leaf::Scheduler]);
    Ok(leaves)
}

pub(crate) fn control_plane_credentials(
    state: &State,
    member: &NodeName,
    cluster: &Cluster,
    address: IpAddr,
    of_member: bool,
    context: &Context<'_>,
) -> Result<Vec<Credential>, Rejection> {
    leaves(state, member, cluster, address, of_member)?
        .iter()
        .map(|leaf| mint_leaf(cluster, leaf, context).map_err(Rejection::from))
        .collect()
}

/// Certificates that are due are made anew, as they would be today.
pub(crate) fn renew(
    state: &State,
    c: &RenewCertificatesV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    running(state, &c.cluster)?;
    renewal(state, &c.cluster, &c.node, context)
}

pub(crate) fn renewal(
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
    leaves(state, name, cluster, hypervisor.spec.address, of_member)?
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
pub(crate) fn names(state: &State, node: &Node, ingress: IpAddr) -> bool {
    let mut hypervisors = state.hypervisors.values();
    hypervisors.any(|h| h.spec.address == ingress && h.generation < certified_at(node))
}

/// The position at which the node's serving certificate was made, at the latest.
fn certified_at(node: &Node) -> oi_events::Generation {
    node.added
}
