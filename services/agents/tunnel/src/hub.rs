//! The hub: takes packets out of one link and puts them into another.

use crate::config::{HubConfig, PeerConfig, Pods, Watched};
use crate::error::TunnelError;
use crate::switch::{Kind, allows};
use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often timers and the configuration are looked at.
const TICK: Duration = Duration::from_millis(250);
/// So many handshakes a second are answered without a cookie (each is counted twice).
const HANDSHAKES: u64 = 200;
/// The type of a cookie reply.
const COOKIE: u8 = 3;
pub(crate) const LARGEST: usize = 65_536;
/// What a packet grows by when it is sealed, and more than a handshake takes.
pub(crate) const SEAL: usize = 256;

struct Peer {
    config: PeerConfig,
    tunnel: Tunn,
    /// Where it was heard last, by a packet that was its own.
    heard: Option<SocketAddr>,
}

struct Hub {
    config: HubConfig,
    socket: UdpSocket,
    limiter: Arc<RateLimiter>,
    /// By the number that its packets carry; a number is never used again.
    peers: BTreeMap<u32, Peer>,
    by_key: BTreeMap<[u8; 32], u32>,
    by_address: BTreeMap<Ipv4Addr, u32>,
    pods: Pods,
    next: u32,
    /// For packets on their way: one out of a link, and into another.
    opened: Vec<u8>,
    sealed: Vec<u8>,
}

/// Serves until it fails. The configuration is read again when it changes: links that stay
/// are not disturbed.
///
/// # Errors
/// Where the configuration or the socket is not to be had.
pub fn hub(path: &Path, pods: Option<&Path>) -> Result<(), TunnelError> {
    let mut watched = Watched::new(path);
    let mut pods = pods.map(Watched::new);
    let mut hub: Option<Hub> = None;
    let mut ticked = Instant::now();
    let mut packet = vec![0; LARGEST];
    loop {
        if hub.is_none() || ticked.elapsed() >= TICK {
            ticked = Instant::now();
            match watched.changed::<HubConfig>() {
                Ok(Some(config)) => hub = Some(Hub::with(hub.take(), config)?),
                Ok(None) => {}
                Err(error) if hub.is_none() => return Err(error),
                Err(error) => eprintln!("goes on as before: {error}"),
            }
            if let Some(hub) = &mut hub {
                // It comes later than the hub itself.
                if let Some(Ok(Some(pods))) = pods.as_mut().map(Watched::changed) {
                    hub.pods = pods;
                }
                hub.tick();
            }
        }
        if let Some(hub) = &mut hub {
            match hub.socket.recv_from(&mut packet) {
                Ok((length, from)) => hub.take(&packet[..length], from),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // An ICMP error for something that was sent.
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(TunnelError::Socket(e)),
            }
        }
    }
}

impl Hub {
    /// With another configuration, and the links that are in both.
    fn with(before: Option<Hub>, config: HubConfig) -> Result<Hub, TunnelError> {
        let same = |h: &Hub| {
            h.config.private_key == config.private_key && h.config.listen_port == config.listen_port
        };
        let mut hub = match before.filter(same) {
            Some(hub) => hub,
            None => Hub::new(&config)?,
        };
        hub.peers.retain(|_, p| config.peers.contains(&p.config));
        hub.by_key = hub.peers.iter().map(|(n, p)| (p.config.public_key.0, *n)).collect();
        for peer in &config.peers {
            if !hub.by_key.contains_key(&peer.public_key.0) {
                let number = hub.next;
                hub.next += 1;
                let tunnel = Tunn::new(
                    config.private_key.secret(),
                    peer.public_key.peer(),
                    None,
                    None,
                    number,
                    Some(hub.limiter.clone()),
                );
                let peer = Peer { config: peer.clone(), tunnel, heard: None };
                hub.by_key.insert(peer.config.public_key.0, number);
                hub.peers.insert(number, peer);
            }
        }
        hub.by_address = hub.peers.iter().map(|(n, p)| (p.config.address, *n)).collect();
        hub.config = config;
        eprintln!("{} peer(s) may have a link", hub.peers.len());
        Ok(hub)
    }

    fn new(config: &HubConfig) -> Result<Hub, TunnelError> {
        let socket =
            UdpSocket::bind(("0.0.0.0", config.listen_port)).map_err(TunnelError::Socket)?;
        socket.set_read_timeout(Some(TICK)).map_err(TunnelError::Socket)?;
        eprintln!("listening on UDP port {}", config.listen_port);
        let public = config.private_key.public().peer();
        Ok(Hub {
            config: HubConfig { peers: Vec::new(), ..config.clone() },
            socket,
            limiter: Arc::new(RateLimiter::new(&public, HANDSHAKES)),
            peers: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_address: BTreeMap::new(),
            pods: Pods::new(),
            next: 0,
            opened: vec![0; LARGEST],
            sealed: vec![0; LARGEST + SEAL],
        })
    }

    /// What cannot be sent is lost, as packets are.
    fn send(&self, datagram: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(datagram, to);
    }

    fn tick(&mut self) {
        self.limiter.reset_count();
        let mut out = vec![0; LARGEST];
        let mut due = Vec::new();
        for peer in self.peers.values_mut() {
            if let (TunnResult::WriteToNetwork(datagram), Some(to)) =
                (peer.tunnel.update_timers(&mut out), peer.heard)
            {
                due.push((datagram.to_vec(), to));
            }
        }
        due.iter().for_each(|(datagram, to)| self.send(datagram, *to));
    }

    /// Whose datagram it says that it is.
    fn sender(&self, datagram: &[u8], from: SocketAddr) -> Option<u32> {
        let mut cookie = [0; 64];
        // Cheap checks come first: nobody without the hub's public key has it calculate.
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
                let half = parse_handshake_anon(&key.secret(), &key.public().peer(), &init).ok()?;
                return self.by_key.get(&half.peer_static_public).copied();
            }
            Packet::HandshakeResponse(p) => p.receiver_idx,
            Packet::PacketCookieReply(p) => p.receiver_idx,
            Packet::PacketData(p) => p.receiver_idx,
        };
        Some(number >> 8)
    }

    fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        let Some(number) = self.sender(datagram, from) else { return };
        let mut opened = std::mem::take(&mut self.opened);
        self.open(number, datagram, from, &mut opened);
        self.opened = opened;
    }

    fn open(&mut self, number: u32, datagram: &[u8], from: SocketAddr, out: &mut [u8]) {
        let mut input = datagram;
        loop {
            let Some(peer) = self.peers.get_mut(&number) else { return };
            let result = peer.tunnel.decapsulate(Some(from.ip()), input, out);
            // Cookies are for those who may be anybody; all else was sealed by the peer.
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
                        self.pass_on(packet, kind, of_pod);
                    }
                    return;
                }
                _ => return,
            }
            // Packets that have waited for the handshake.
            input = &[];
        }
    }

    /// The worker that a pod is on.
    fn host_of(&self, pod: Ipv4Addr) -> Option<&u32> {
        let here = |nets: &Vec<Ipv4Net>| nets.iter().any(|net| net.contains(&pod));
        let host = self.pods.iter().find(|(_, nets)| here(nets)).map(|(host, _)| host);
        host.and_then(|host| self.by_address.get(host))
    }

    fn pass_on(&mut self, packet: &[u8], sender: Kind, of_pod: bool) {
        let to = packet.get(16..20).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(Ipv4Addr::from);
        let Some(to) = to else { return };
        let machine = self.by_address.get(&to);
        // Between workers, pods have a network of their own.
        let with_pod = of_pod || machine.is_none();
        let Some(number) = machine.or_else(|| self.host_of(to)).copied() else { return };
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let between_workers = (sender, peer.config.kind) == (Kind::Worker, Kind::Worker);
        if (between_workers && with_pod) || !allows(sender, peer.config.kind, packet) {
            return;
        }
        if let (TunnResult::WriteToNetwork(datagram), Some(to)) =
            (peer.tunnel.encapsulate(packet, &mut self.sealed), peer.heard)
        {
            let _ = self.socket.send_to(datagram, to);
        }
    }
}
