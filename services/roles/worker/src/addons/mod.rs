//! Add-ons: what a cluster needs for worker nodes. That is everything a machine reads to join,
//! and kube-proxy, DNS and a pod network where the cluster asks for them.
//!
//! The objects are pure functions of the state ([`objects`]). [`reconcile`] makes them so through
//! the cluster's API, for a job or after drift. [`AddonReconciler`] looks for drift, and for
//! requests that only a control plane answers: serving certificates of kubelets
//! ([`serving`]), and peers of the tunnel ([`tunnel`](crate::tunnel)).

mod administrators;
mod api;
mod cluster_context;
mod dns;
mod endpoints;
mod failures;
mod flannel;
mod join;
mod object;
mod pages;
mod proxy;
mod reconcile;
mod reconciler;
mod secrets;
mod serving;
mod template;

pub use api::{ClusterApi, LEFT, PAGE, only};
pub use cluster_context::{ClusterContext, Lookup};
pub use failures::Failures;
pub use join::{bootstrappers, nodes};
pub use object::Object;
pub use pages::Pages;
pub use reconcile::Trigger;
pub use reconciler::{AddonReconciler, RETRY};
pub use secrets::{ClusterSecrets, JoinToken};
pub use template::{TemplateError, render};

use crate::tunnel::objects as tunnel;
use oi_events::Cni;
use sha2::{Digest, Sha256};

/// All add-ons of a cluster, in the order in which they are created.
pub fn objects(
    cluster: &ClusterContext,
    secrets: &ClusterSecrets,
    worker_nodes: u64,
) -> Result<Vec<Object>, TemplateError> {
    let mut all = join::objects(cluster, &secrets.tokens)?;
    if let Some(hub_key) = &secrets.hub_key {
        all.extend(tunnel::objects(cluster, hub_key)?);
    }
    if let Some(advertised) = &cluster.advertised {
        all.extend(endpoints::objects(advertised));
    }
    let addons = &cluster.addons.spec;
    if addons.kube_proxy {
        all.extend(proxy::objects(cluster)?);
    }
    if addons.dns {
        all.extend(dns::objects(cluster, worker_nodes)?);
    }
    match addons.cni {
        Cni::None => {}
        Cni::Flannel => all.extend(flannel::objects(cluster)?),
    }
    Ok(all)
}

/// A digest of a configuration. It is an annotation of the pods that read the configuration, so
/// that they restart when it changes.
fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}
