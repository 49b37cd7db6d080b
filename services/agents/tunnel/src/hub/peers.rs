//! The peers of a hub.

use crate::config::{HubConfig, PeerConfig};
use boringtun::noise::Tunn;
use boringtun::noise::rate_limiter::RateLimiter;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// A peer with its link.
pub struct Peer {
    pub config: PeerConfig,
    pub tunnel: Tunn,
    /// The source of the last packet that was provably the peer's.
    pub heard: Option<SocketAddr>,
}

/// The peers, by the number that their packets carry. A number is never used again.
#[derive(Default)]
pub struct Peers {
    by_number: BTreeMap<u32, Peer>,
    by_key: BTreeMap<[u8; 32], u32>,
    by_address: BTreeMap<Ipv4Addr, u32>,
    next: u32,
}

impl Peers {
    /// Accepts the peers of a configuration, and no others. Links of peers that stay are kept.
    pub fn set(&mut self, config: &HubConfig, limiter: &Arc<RateLimiter>) {
        self.by_number.retain(|_, p| config.peers.contains(&p.config));
        self.by_key = self.by_number.iter().map(|(n, p)| (p.config.public_key.0, *n)).collect();
        for peer in &config.peers {
            if self.by_key.contains_key(&peer.public_key.0) {
                continue;
            }
            let number = self.next;
            self.next += 1;
            let (secret, public) = (config.private_key.secret(), peer.public_key.peer());
            let tunnel = Tunn::new(secret, public, None, None, number, Some(limiter.clone()));
            self.by_key.insert(peer.public_key.0, number);
            self.by_number.insert(number, Peer { config: peer.clone(), tunnel, heard: None });
        }
        self.by_address = self.by_number.iter().map(|(n, p)| (p.config.address, *n)).collect();
    }

    /// All peers.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.by_number.values_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The peer with a number.
    pub fn get(&mut self, number: u32) -> Option<&mut Peer> {
        self.by_number.get_mut(&number)
    }

    /// The number of the peer with a public key.
    pub fn with_key(&self, key: &[u8; 32]) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// The number of the peer with an address.
    pub fn at(&self, address: Ipv4Addr) -> Option<u32> {
        self.by_address.get(&address).copied()
    }
}
