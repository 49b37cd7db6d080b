//! What is kept inside of a cluster through its API, as pure functions of the state: what
//! machines need to join, and the parts without which pods are of no use.

mod dns;
mod flannel;
mod join;
mod object;
mod proxy;
mod tunnel;

pub use object::{KINDS, Object, delete, is_ours, is_same, list_kept, listed, title};
pub use tunnel::{ASK, NAMESPACE as TUNNEL_NAMESPACE};

use oi_domain::{Ca, Cluster, InstalledAddons, State};
use oi_events::{ClusterName, Cni, Endpoint, TokenId};
use oi_pki::certificate_pem;
use oi_tunnel::Key;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// A cluster with all that its objects depend on, taken out of the state.
pub struct Subject {
    /// Its name.
    pub name: ClusterName,
    /// The cluster itself.
    pub cluster: Arc<Cluster>,
    /// What is to be kept.
    pub addons: InstalledAddons,
    /// Where its API is reached.
    pub endpoint: Endpoint,
    /// Where pods are told to find it; none where the API servers say that by themselves.
    pub told: Option<Vec<SocketAddr>>,
    /// Where the hub of its tunnel is.
    pub hub: Option<SocketAddr>,
}

impl Subject {
    /// Looks a cluster up; none where nothing is to be kept inside of it, or its API cannot
    /// be asked.
    pub fn find(state: &State, name: &ClusterName) -> Option<Subject> {
        let cluster = state.clusters.get(name).filter(|c| c.answers())?;
        let addons = cluster.addons.clone()?;
        let endpoint = state.endpoint(cluster)?;
        let told = state.advertised_endpoints(cluster);
        let hub = state.tunnel_hub(cluster);
        let (name, cluster) = (name.clone(), cluster.clone());
        Some(Subject { name, cluster, addons, endpoint, told, hub })
    }

    /// The certificates by which its API is trusted, PEM.
    pub fn authorities(&self) -> String {
        let trusted = self.cluster.trusted(Ca::Kubernetes);
        trusted.iter().map(|c| certificate_pem(&c.public)).collect()
    }

    /// The environment of what must reach the API before Services work.
    fn api_environment(&self) -> [serde_json::Value; 2] {
        [
            json!({"name": "KUBERNETES_SERVICE_HOST", "value": self.endpoint.host}),
            json!({"name": "KUBERNETES_SERVICE_PORT", "value": self.endpoint.port.to_string()}),
        ]
    }
}

/// A join token in the clear.
pub struct OpenToken {
    /// Its id.
    pub id: TokenId,
    /// Its secret part.
    pub secret: String,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for.
    pub description: String,
}

/// What was sealed, in the clear.
pub struct Opened {
    /// Join tokens.
    pub tokens: Vec<OpenToken>,
    /// The public key of the tunnel's hub.
    pub hub_key: Option<Key>,
}

/// All that is to be there, in the order in which it is made.
pub fn objects(subject: &Subject, opened: &Opened, worker_nodes: u64) -> Vec<Object> {
    let mut all = join::objects(subject, &opened.tokens);
    if let Some(hub_key) = &opened.hub_key {
        all.extend(tunnel::objects(subject, hub_key));
    }
    if let Some(told) = &subject.told {
        all.extend(join::endpoints(told));
    }
    if subject.addons.spec.kube_proxy {
        all.extend(proxy::objects(subject));
    }
    if subject.addons.spec.dns {
        all.extend(dns::objects(subject, worker_nodes));
    }
    match subject.addons.spec.cni {
        Cni::None => {}
        Cni::Flannel => all.extend(flannel::objects(subject)),
    }
    all
}
