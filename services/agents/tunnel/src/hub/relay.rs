//! A datagram's way through the hub.

use super::Hub;
use crate::switch::{Kind, allows};
use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::{Packet, TunnResult};
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, SocketAddr};

/// The type of a cookie reply.
const COOKIE: u8 = 3;

impl Hub {
    /// Opens a datagram and forwards what was in it.
    pub(super) fn relay(&mut self, datagram: &[u8], from: SocketAddr) {
        let Some(number) = self.sender(datagram, from) else { return };
        let mut opened = std::mem::take(&mut self.opened);
        self.open(number, datagram, from, &mut opened);
        self.opened = opened;
    }

    /// The peer that a datagram claims to come from.
    fn sender(&self, datagram: &[u8], from: SocketAddr) -> Option<u32> {
        let mut cookie = [0; 64];
        // Cheap checks come first: only holders of the hub's public key cost it a computation.
        let packet = match self.limiter.verify_packet(Some(from.ip()), datagram, &mut cookie) {
            Ok(packet) => packet,
            Err(TunnResult::WriteToNetwork(cookie)) => {
                self.send(cookie, from);
                return None;
            }
            Err(_) => return None,
        };
        let number = match packet {
            Packet::HandshakeInit(init) => {
                let key = &self.config.private_key;
                let half = parse_handshake_anon(&key.secret(), &key.public().peer(), &init);
                // For another hub, or nobody's.
                let Ok(half) = half else { return None };
                return self.peers.with_key(&half.peer_static_public);
            }
            Packet::HandshakeResponse(p) => p.receiver_idx,
            Packet::PacketCookieReply(p) => p.receiver_idx,
            Packet::PacketData(p) => p.receiver_idx,
        };
        Some(number >> 8)
    }

    fn open(&mut self, number: u32, datagram: &[u8], from: SocketAddr, out: &mut [u8]) {
        let mut input = datagram;
        loop {
            let Some(peer) = self.peers.get(number) else { return };
            let result = peer.tunnel.decapsulate(Some(from.ip()), input, out);
            // Anybody may cause a cookie. Everything else was sealed by the peer.
            let proven = match &result {
                _ if datagram.first() == Some(&COOKIE) => false,
                TunnResult::Err(_) => false,
                TunnResult::WriteToNetwork(reply) => reply.first() != Some(&COOKIE),
                _ => true,
            };
            if proven {
                peer.heard = Some(from);
            }
            match result {
                TunnResult::WriteToNetwork(reply) => self.send(reply, from),
                TunnResult::WriteToTunnelV4(packet, source) => {
                    let (address, kind) = (peer.config.address, peer.config.kind);
                    let pods = self.pods.get(&address);
                    let of_pod = pods.is_some_and(|nets| nets.iter().any(|n| n.contains(&source)));
                    if source == address || of_pod {
                        self.forward(packet, kind, of_pod);
                    }
                    return;
                }
                _ => return,
            }
            // Packets that have waited for the handshake.
            input = &[];
        }
    }

    /// Forwards a packet to the link of its destination, if both ends may talk to each other.
    fn forward(&mut self, packet: &[u8], sender: Kind, of_pod: bool) {
        let Some(&[a, b, c, d]) = packet.get(16..20) else { return };
        let to = Ipv4Addr::new(a, b, c, d);
        let machine = self.peers.at(to);
        let with_pod = of_pod || machine.is_none();
        let Some(number) = machine.or_else(|| self.host_of(to)) else { return };
        let Some(peer) = self.peers.get(number) else { return };
        // Pods of two workers talk to each other in a network of their own.
        let between_workers = (sender, peer.config.kind) == (Kind::Worker, Kind::Worker);
        if (between_workers && with_pod) || !allows(sender, peer.config.kind, packet) {
            return;
        }
        if let (TunnResult::WriteToNetwork(datagram), Some(to)) =
            (peer.tunnel.encapsulate(packet, &mut self.sealed), peer.heard)
            && let Err(error) = self.socket.send_to(datagram, to)
        {
            self.losses.tell(format_args!("on the way to {to}"), &error);
        }
    }

    /// The worker that runs a pod.
    fn host_of(&self, pod: Ipv4Addr) -> Option<u32> {
        let here = |nets: &Vec<Ipv4Net>| nets.iter().any(|net| net.contains(&pod));
        let host = self.pods.iter().find(|(_, nets)| here(nets)).map(|(host, _)| host);
        host.and_then(|host| self.peers.at(*host))
    }
}
