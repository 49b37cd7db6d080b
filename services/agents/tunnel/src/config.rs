//! The configuration of hubs and links: JSON files, which are reloaded when they change.

use crate::error::TunnelError;
use crate::switch::Kind;
use base64::{Engine, engine::general_purpose::STANDARD};
use boringtun::x25519::{PublicKey, StaticSecret};
use ipnet::Ipv4Net;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

/// A Curve25519 key, written as WireGuard writes it: 32 bytes, base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

/// A text is no key.
#[derive(Debug, thiserror::Error)]
#[error("a key is 32 bytes in base64")]
pub struct KeyError;

impl FromStr for Key {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Key, KeyError> {
        let bytes = STANDARD.decode(text).map_err(|_| KeyError)?;
        bytes.try_into().map(Key).map_err(|_| KeyError)
    }
}

impl Key {
    /// The public key of this private one.
    pub fn public(&self) -> Key {
        Key(PublicKey::from(&self.secret()).to_bytes())
    }

    pub(crate) fn secret(&self) -> StaticSecret {
        StaticSecret::from(self.0)
    }

    pub(crate) fn peer(&self) -> PublicKey {
        PublicKey::from(self.0)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

/// It may be a private one.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(not shown)")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Key, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HubConfig {
    /// Its private key.
    pub private_key: Key,
    /// The UDP port on which it listens.
    pub listen_port: u16,
    /// The peers that may have a link.
    pub peers: Vec<PeerConfig>,
}

/// One end of a link, as the hub knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerConfig {
    /// Its public key.
    pub public_key: Key,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
    /// The kind of peer.
    pub kind: Kind,
}

/// The addresses of pods, by the address of the worker that they are on: API servers reach
/// them through that worker's link.
pub type Pods = BTreeMap<Ipv4Addr, Vec<Ipv4Net>>;

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkConfig {
    /// Its private key.
    pub private_key: Key,
    /// Its address in the tunnel, with the length of the tunnel's prefix.
    pub address: Ipv4Net,
    /// The hub's public key.
    pub hub_key: Key,
    /// Where the hub listens, if that is known.
    pub hub: Option<SocketAddr>,
    /// More networks that are reached through it.
    #[serde(default)]
    pub routes: Vec<Ipv4Net>,
}

/// A file that is reloaded when it changes.
pub(crate) struct Watched<'a> {
    path: &'a Path,
    text: String,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(path: &'a Path) -> Watched<'a> {
        Watched { path, text: String::new() }
    }

    /// The configuration, if it has changed since the last call.
    pub(crate) fn changed<T: DeserializeOwned>(&mut self) -> Result<Option<T>, TunnelError> {
        let path = || self.path.display().to_string();
        let text = std::fs::read_to_string(self.path)
            .map_err(|source| TunnelError::Read { path: path(), source })?;
        if text == self.text {
            return Ok(None);
        }
        let parsed = serde_json::from_str(&text)
            .map_err(|source| TunnelError::Malformed { path: path(), source })?;
        self.text = text;
        Ok(Some(parsed))
    }
}
