//! The API of a cluster, as a machine needs it.

mod nodes;
mod pods;
mod tunnel;

pub use tunnel::Hub;

use crate::Join;
use crate::error::JoinError;
use oi_kube::{Client, Identity, Reply, Request, Server};
use serde_json::Value;

const LIMIT_MS: u64 = 15_000;

/// A cluster's API, for one user.
pub struct Cluster {
    client: Client,
    endpoint: String,
    by_token: bool,
}

impl Cluster {
    /// The API for the holder of a join token.
    pub fn with_token(join: &Join) -> Result<Cluster, JoinError> {
        Cluster::with(join, Identity::Token(join.token.clone()))
    }

    /// The API for a user.
    pub fn with(join: &Join, identity: Identity) -> Result<Cluster, JoinError> {
        Cluster::at(&join.endpoint, &join.authorities, identity)
    }

    /// The API at an endpoint, for a user.
    pub fn at(endpoint: &str, authorities: &str, identity: Identity) -> Result<Cluster, JoinError> {
        let server = Server {
            address: endpoint.to_owned(),
            authorities: authorities.to_owned(),
            identity,
            limit_ms: LIMIT_MS,
        };
        let by_token = matches!(server.identity, Identity::Token(_));
        Ok(Cluster { client: Client::new(&server)?, endpoint: endpoint.to_owned(), by_token })
    }

    fn call(&self, request: &Request) -> Result<Reply, JoinError> {
        let reply = self.client.call(request).map_err(|error| {
            if error.is_distrust() {
                JoinError::Ca { endpoint: self.endpoint.clone(), source: error }
            } else {
                error.into()
            }
        })?;
        match (reply.status, self.by_token) {
            (401, true) => Err(JoinError::Token),
            (401, false) => Err(JoinError::Credentials),
            _ => Ok(reply),
        }
    }

    /// The configuration that the cluster has for kubelets.
    pub fn kubelet_config(&self) -> Result<Value, JoinError> {
        let path = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";
        let reply = self.call(&Request::get(path))?;
        if reply.status == 404 {
            return Err(JoinError::NotForWorkers);
        }
        let object = reply.object()?;
        let text = object["data"]["kubelet"].as_str().ok_or(JoinError::NotForWorkers)?;
        serde_yaml_ng::from_str(text).map_err(|e| JoinError::ConfigMap {
            name: "kubelet-config",
            field: "kubelet".to_owned(),
            problem: e.to_string(),
        })
    }
}
