//! The hub: takes packets out of one link and puts them into another.

mod peers;
mod relay;

use crate::config::{HubConfig, Pods, Watched};
use crate::error::TunnelError;
use crate::losses::Losses;
use boringtun::noise::TunnResult;
use boringtun::noise::rate_limiter::RateLimiter;
use peers::Peers;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The interval of timers, and of looks at the configuration.
const TICK: Duration = Duration::from_millis(250);
/// The number of handshakes a second that are answered without a cookie. Each counts twice.
const HANDSHAKES: u64 = 200;
pub(crate) const LARGEST: usize = 65_536;
/// What sealing adds to a packet, and more than a handshake takes.
pub(crate) const SEAL: usize = 256;

struct Hub {
    config: HubConfig,
    socket: UdpSocket,
    limiter: Arc<RateLimiter>,
    peers: Peers,
    /// The addresses of pods, by worker.
    pods: Pods,
    losses: Losses,
    /// Buffers for packets on their way: out of one link, and into another.
    opened: Vec<u8>,
    sealed: Vec<u8>,
}

/// Serves until it fails. A change of the configuration is reloaded, without a disturbance of
/// links that stay.
///
/// # Errors
/// If the configuration cannot be read, or the socket fails.
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
                match pods.as_mut().map(Watched::changed) {
                    Some(Ok(Some(pods))) => hub.pods = pods,
                    None | Some(Ok(None)) => {}
                    // This file comes later than the hub itself.
                    Some(Err(TunnelError::Read { source, .. }))
                        if source.kind() == ErrorKind::NotFound => {}
                    Some(Err(error)) => eprintln!("goes on as before: {error}"),
                }
                hub.tick();
            }
        }
        if let Some(hub) = &mut hub {
            match hub.socket.recv_from(&mut packet) {
                Ok((length, from)) => hub.relay(&packet[..length], from),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // An ICMP error for something that was sent.
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(TunnelError::Socket(e)),
            }
        }
    }
}

impl Hub {
    /// A hub with this configuration. It keeps the links of the hub before that are in both.
    fn with(before: Option<Hub>, config: HubConfig) -> Result<Hub, TunnelError> {
        let same = |h: &Hub| {
            h.config.private_key == config.private_key && h.config.listen_port == config.listen_port
        };
        let mut hub = match before.filter(same) {
            Some(hub) => hub,
            None => Hub::new(&config)?,
        };
        hub.peers.set(&config, &hub.limiter);
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
            peers: Peers::default(),
            pods: Pods::new(),
            losses: Losses::default(),
            opened: vec![0; LARGEST],
            sealed: vec![0; LARGEST + SEAL],
        })
    }

    /// Sends a datagram. One that cannot be sent is lost.
    fn send(&self, datagram: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.send_to(datagram, to) {
            self.losses.tell(format_args!("on the way to {to}"), &error);
        }
    }

    /// Runs the timers of all links.
    fn tick(&mut self) {
        self.limiter.reset_count();
        let mut out = vec![0; LARGEST];
        let mut due = Vec::new();
        for peer in self.peers.all() {
            if let (TunnResult::WriteToNetwork(datagram), Some(to)) =
                (peer.tunnel.update_timers(&mut out), peer.heard)
            {
                due.push((datagram.to_vec(), to));
            }
        }
        due.iter().for_each(|(datagram, to)| self.send(datagram, *to));
    }
}
