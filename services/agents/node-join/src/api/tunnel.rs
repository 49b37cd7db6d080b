//! The cluster's tunnel: its hub, and the machine's address in it.

use super::Cluster;
use crate::error::JoinError;
use ipnet::Ipv4Net;
use oi_kube::{Request, Verb};
use oi_tunnel::Key;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

/// The hub of a cluster's tunnel.
pub struct Hub {
    /// Where it listens; none while there is no ingress.
    pub hub: Option<SocketAddr>,
    /// Its public key.
    pub key: Key,
    /// Addresses in the tunnel.
    pub cidr: Ipv4Net,
}

impl Cluster {
    /// The hub of the cluster's tunnel, if it has one.
    pub fn hub(&self) -> Result<Option<Hub>, JoinError> {
        let reply =
            self.call(&Request::get("/api/v1/namespaces/kube-public/configmaps/oi-tunnel"))?;
        // Without a tunnel, nobody may read this ConfigMap.
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

    /// The public key and the address of a worker in the tunnel.
    pub fn peer(&self, worker: &str) -> Result<Option<(Key, Ipv4Addr)>, JoinError> {
        let path = "/api/v1/namespaces/oi-tunnel/configmaps/peers";
        let peers = self.call(&Request::get(path))?.object()?;
        let peer: Value = serde_json::from_str(peers["data"][worker].as_str().unwrap_or_default())
            .unwrap_or_default();
        let key = peer["publicKey"].as_str().and_then(Key::parse);
        let address = peer["address"].as_str().and_then(|a| a.parse().ok());
        Ok(key.zip(address))
    }

    /// Asks for an address in the tunnel. Whether the name is free is for oi to decide.
    pub fn request_peer(&self, worker: &str, key: &Key) -> Result<(), JoinError> {
        let request = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"generateName": "request-", "labels": {"oi/tunnel-request": "true"}},
            "data": {"worker": worker, "publicKey": key.to_string()},
        });
        let path = "/api/v1/namespaces/oi-tunnel/configmaps".to_owned();
        self.call(&Request::with(Verb::Post, path, &request))?.object()?;
        Ok(())
    }
}
