//! What is asked of a cluster's API.

use crate::Join;
use crate::error::JoinError;
use ipnet::Ipv4Net;
use oi_kube::{Client, Identity, Reply, Request, Server, Verb};
use oi_tunnel::Key;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

const LIMIT_MS: u64 = 15_000;

/// The hub of a cluster's tunnel.
pub struct Hub {
    /// Where it is; none while there is no ingress.
    pub hub: Option<SocketAddr>,
    /// Its public key.
    pub key: Key,
    /// Addresses in the tunnel.
    pub cidr: Ipv4Net,
}

/// A cluster's API, asked as somebody.
pub struct Cluster {
    client: Client,
    endpoint: String,
    by_token: bool,
}

impl Cluster {
    /// Asked with the join token.
    pub fn with_token(join: &Join) -> Result<Cluster, JoinError> {
        Cluster::with(join, Identity::Token(join.token.clone()))
    }

    /// Asked as somebody.
    pub fn with(join: &Join, identity: Identity) -> Result<Cluster, JoinError> {
        Cluster::at(&join.endpoint, &join.authorities, identity)
    }

    /// The same.
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

    /// The kubelet's configuration, as the cluster keeps it.
    pub fn kubelet_config(&self) -> Result<Value, JoinError> {
        let path = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";
        let reply = self.call(&Request::get(path))?;
        if reply.status == 404 {
            return Err(JoinError::NotForWorkers);
        }
        let object = reply.object()?;
        let text = object["data"]["kubelet"].as_str().ok_or(JoinError::NotForWorkers)?;
        serde_yaml_ng::from_str(text).map_err(|_| JoinError::NotForWorkers)
    }

    /// Where the hub of the cluster's tunnel is; none where it has none.
    pub fn hub(&self) -> Result<Option<Hub>, JoinError> {
        let reply =
            self.call(&Request::get("/api/v1/namespaces/kube-public/configmaps/oi-tunnel"))?;
        // Without a tunnel nothing is said of one to anybody.
        if matches!(reply.status, 403 | 404) {
            return Ok(None);
        }
        let data = &reply.object()?["data"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let hub = text(&data["hub"]).parse().ok();
        let cidr = text(&data["cidr"]).parse().ok();
        let key = Key::parse(&text(&data["hubKey"]));
        Ok(cidr.zip(key).map(|(cidr, key)| Hub { hub, key, cidr }))
    }

    /// The link that a worker was given: its public key and address.
    pub fn link(&self, worker: &str) -> Result<Option<(Key, Ipv4Addr)>, JoinError> {
        let path = "/api/v1/namespaces/oi-tunnel/configmaps/peers";
        let links = self.call(&Request::get(path))?.object()?;
        let link: Value = serde_json::from_str(links["data"][worker].as_str().unwrap_or_default())
            .unwrap_or_default();
        let key = link["publicKey"].as_str().and_then(Key::parse);
        let address = link["address"].as_str().and_then(|a| a.parse().ok());
        Ok(key.zip(address))
    }

    /// Asks for a link. That somebody has asked under this name already is for oi to judge.
    pub fn ask_for_link(&self, worker: &str, key: &Key) -> Result<(), JoinError> {
        let ask = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"generateName": "request-", "labels": {"oi/tunnel-request": "true"}},
            "data": {"worker": worker, "publicKey": key.to_string()},
        });
        let path = "/api/v1/namespaces/oi-tunnel/configmaps".to_owned();
        self.call(&Request::with(Verb::Post, path, &ask))?.object()?;
        Ok(())
    }

    /// Whether the cluster has a node of that name.
    pub fn has_node(&self, name: &str) -> Result<bool, JoinError> {
        let reply = self.call(&Request::get(format!("/api/v1/nodes/{name}")))?;
        if reply.status == 404 { Ok(false) } else { Ok(reply.object().map(|_| true)?) }
    }

    /// Why a node is not ready; none where it is.
    pub fn readiness(&self, name: &str) -> Result<Option<String>, JoinError> {
        let reply = self.call(&Request::get(format!("/api/v1/nodes/{name}")))?;
        if reply.status == 404 {
            return Ok(Some("waiting for the node to register".to_owned()));
        }
        let node = reply.object()?;
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|c| c["type"] == "Ready");
        Ok(match ready {
            Some(c) if c["status"] == "True" => None,
            Some(c) => Some(format!("not ready: {}", c["message"].as_str().unwrap_or_default())),
            None => Some("waiting for the node's first report".to_owned()),
        })
    }

    /// Takes no new pods, and is to be forgotten by the cluster's keeper.
    pub fn mark_left(&self, name: &str) -> Result<bool, JoinError> {
        let patch =
            json!({"metadata": {"labels": {"oi/left": "true"}}, "spec": {"unschedulable": true}});
        let path = format!("/api/v1/nodes/{name}");
        let reply = self.call(&Request::with(Verb::Merge, path, &patch))?;
        if reply.status == 404 { Ok(false) } else { Ok(reply.object().map(|_| true)?) }
    }

    /// Takes no new pods.
    pub fn cordon(&self, name: &str) -> Result<bool, JoinError> {
        let patch = json!({"spec": {"unschedulable": true}});
        let path = format!("/api/v1/nodes/{name}");
        let reply = self.call(&Request::with(Verb::Merge, path, &patch))?;
        if reply.status == 404 { Ok(false) } else { Ok(reply.object().map(|_| true)?) }
    }

    /// The pods on a node that are to be evicted: none of daemons, static ones, or ended ones.
    pub fn pods(&self, node: &str) -> Result<Vec<(String, String)>, JoinError> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let list = self.call(&Request::get(path))?.object()?;
        let stays = |pod: &Value| {
            let owners = pod["metadata"]["ownerReferences"].as_array();
            let daemon = owners.is_some_and(|o| o.iter().any(|r| r["kind"] == "DaemonSet"));
            let mirror =
                pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some();
            let ended = ["Succeeded", "Failed"].iter().any(|p| pod["status"]["phase"] == *p);
            daemon || mirror || ended
        };
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let named =
            |pod: &Value| (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        let items = list["items"].as_array().cloned().unwrap_or_default();
        Ok(items.iter().filter(|p| !stays(p)).map(named).collect())
    }

    /// Asks for a pod's eviction; its disruption budget may say no for now.
    pub fn evict(&self, namespace: &str, pod: &str) -> Result<bool, JoinError> {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": pod},
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
        let reply = self.call(&Request::with(Verb::Post, path, &eviction))?;
        match reply.status {
            404 => Ok(true),
            429 => Ok(false),
            _ => Ok(reply.object().map(|_| true)?),
        }
    }
}
