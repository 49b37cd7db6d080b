//! A cluster, with everything of the state that its add-ons depend on.

use oi_domain::{Ca, Cluster, InstalledAddons, State};
use oi_events::{ClusterName, ClusterUid, Endpoint};
use oi_pki::certificate_pem;
use std::net::SocketAddr;
use std::sync::Arc;

/// A snapshot of a cluster and of what its add-ons depend on.
pub struct ClusterContext {
    /// The cluster's name.
    pub name: ClusterName,
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// Its add-ons, as asked for.
    pub addons: InstalledAddons,
    /// The endpoint of its API.
    pub endpoint: Endpoint,
    /// The endpoints that pods learn; none where API servers publish their own.
    pub advertised: Option<Vec<SocketAddr>>,
    /// Where the hub of its tunnel listens.
    pub hub: Option<SocketAddr>,
}

/// A cluster that is looked up again and again.
pub enum Lookup {
    /// It is deleted, or another cluster has its name.
    Gone,
    /// It has no add-ons, or its API cannot answer now.
    Unavailable,
    /// It can be worked on.
    Found(Box<ClusterContext>),
}

impl ClusterContext {
    /// Takes a cluster out of the state; none without add-ons, and while its API cannot answer.
    pub fn find(state: &State, name: &ClusterName) -> Option<ClusterContext> {
        let cluster = state.clusters.get(name).filter(|c| c.answers())?;
        let addons = cluster.addons.clone()?;
        let endpoint = state.endpoint(cluster)?;
        let advertised = state.advertised_endpoints(cluster);
        let hub = state.tunnel_hub(cluster);
        let (name, cluster) = (name.clone(), cluster.clone());
        Some(ClusterContext { name, cluster, addons, endpoint, advertised, hub })
    }

    /// Looks up one life of a name.
    pub fn lookup(state: &State, name: &ClusterName, uid: ClusterUid) -> Lookup {
        if state.clusters.get(name).is_none_or(|c| c.uid != uid) {
            return Lookup::Gone;
        }
        match ClusterContext::find(state, name) {
            None => Lookup::Unavailable,
            Some(cluster) => Lookup::Found(Box::new(cluster)),
        }
    }

    /// The trusted CA certificates of its API, PEM.
    pub fn ca_bundle(&self) -> String {
        ca_bundle(&self.cluster)
    }
}

/// The trusted CA certificates of a cluster's API, PEM.
pub fn ca_bundle(cluster: &Cluster) -> String {
    cluster.trusted(Ca::Kubernetes).iter().map(|c| certificate_pem(&c.public)).collect()
}
