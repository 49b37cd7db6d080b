//! The cluster's tunnel: its hub, and the machine's address in it.

use super::Cluster;
use crate::error::JoinError;
use ipnet::Ipv4Net;
use oi_kube::{Request, Verb};
use oi_tunnel::Key;
use serde_json::{Value, json};
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The hub of a cluster's tunnel.
pub struct Hub {
    /// Where it listens; none while there is no ingress.
    pub hub: Option<SocketAddr>,
    /// Its public key.
    pub key: Key,
    /// Addresses in the tunnel.
    pub cidr: Ipv4Net,
}

impl Hub {
    /// An address in the tunnel, with the length of the tunnel's prefix.
    pub fn address(&self, address: Ipv4Addr) -> Result<Ipv4Net, JoinError> {
        Ipv4Net::new(address, self.cidr.prefix_len()).map_err(|e| malformed(HUB, "cidr", e))
    }
}

/// The ConfigMaps of the tunnel.
const HUB: &str = "oi-tunnel";
const PEERS: &str = "peers";

fn malformed(name: &'static str, field: &str, problem: impl Display) -> JoinError {
    JoinError::ConfigMap { name, field: field.to_owned(), problem: problem.to_string() }
}

fn read<T: FromStr<Err: Display>>(
    name: &'static str,
    data: &Value,
    field: &str,
) -> Result<T, JoinError> {
    let text = data[field].as_str().ok_or_else(|| malformed(name, field, "it is absent"))?;
    text.parse().map_err(|e| malformed(name, field, format!("{text:?}: {e}")))
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
        let hub = if data["hub"] == "" { None } else { Some(read(HUB, data, "hub")?) };
        let (key, cidr) = (read(HUB, data, "hubKey")?, read(HUB, data, "cidr")?);
        Ok(Some(Hub { hub, key, cidr }))
    }

    /// The public key and the address of a worker in the tunnel.
    pub fn peer(&self, worker: &str) -> Result<Option<(Key, Ipv4Addr)>, JoinError> {
        let path = "/api/v1/namespaces/oi-tunnel/configmaps/peers";
        let peers = self.call(&Request::get(path))?.object()?;
        let Some(text) = peers["data"][worker].as_str() else { return Ok(None) };
        let peer = serde_json::from_str(text).map_err(|e| malformed(PEERS, worker, e))?;
        Ok(Some((read(PEERS, &peer, "publicKey")?, read(PEERS, &peer, "address")?)))
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
