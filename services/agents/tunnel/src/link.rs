//! A link: a network interface whose packets go to the hub, and come from there.

use crate::config::{LinkConfig, Watched};
use crate::error::TunnelError;
use crate::hub::{LARGEST, SEAL};
use crate::losses::Losses;
use crate::route;
use boringtun::noise::{Tunn, TunnResult};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tun_rs::{DeviceBuilder, SyncDevice};

/// The interface's name.
pub const INTERFACE: &str = "oi-tunnel";
/// WireGuard's own: 1500 less 80 for IPv6, UDP and WireGuard's header.
const MTU: u16 = 1420;
const TICK: Duration = Duration::from_millis(250);
/// The interval of looks at the configuration.
const LOOK: Duration = Duration::from_secs(1);
/// NATs forget a mapping after half a minute or more of silence.
const KEEPALIVE: u16 = 20;
/// The pause between handshakes while none is answered.
const GREET: Duration = Duration::from_secs(5);
/// The age at which a handshake is repeated: a hub that has restarted knows nothing of it.
const FRESH: Duration = Duration::from_secs(20);
/// The age of the last handshake at which the hub counts as silent.
const SILENT: Duration = Duration::from_secs(45);

/// How a link runs.
pub struct Link<'a> {
    /// Its configuration.
    pub config: &'a Path,
    /// The file of its status: `up` if the hub was heard lately, or `down`.
    pub status: Option<&'a Path>,
}

struct Shared {
    tunnel: Mutex<Tunn>,
    socket: UdpSocket,
    hub: SocketAddr,
    device: SyncDevice,
    losses: Losses,
}

impl Shared {
    /// Opens the socket, and makes the interface.
    fn open(config: &LinkConfig, hub: SocketAddr) -> Result<Shared, TunnelError> {
        let any = if hub.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).map_err(TunnelError::Socket)?;
        let (secret, public) = (config.private_key.secret(), config.hub_key.peer());
        let tunnel = Mutex::new(Tunn::new(secret, public, None, Some(KEEPALIVE), 0, None));
        let device = interface(config)?;
        Ok(Shared { tunnel, socket, hub, device, losses: Losses::default() })
    }

    fn tunnel(&self) -> MutexGuard<'_, Tunn> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a datagram. One that cannot be sent is lost.
    fn send(&self, datagram: &[u8]) {
        // The socket is not connected, because the machine's own address may change.
        if let Err(error) = self.socket.send_to(datagram, self.hub) {
            self.losses.tell("on the way to the hub", &error);
        }
    }

    /// Sends packets of the interface to the hub.
    fn out(&self) -> Result<(), TunnelError> {
        let (mut packet, mut datagram) = (vec![0; LARGEST], vec![0; LARGEST + SEAL]);
        loop {
            let length = self.device.recv(&mut packet).map_err(TunnelError::Packet)?;
            let sealed = self.tunnel().encapsulate(&packet[..length], &mut datagram);
            if let TunnResult::WriteToNetwork(sealed) = sealed {
                self.send(sealed);
            }
        }
    }

    /// Gives packets of the hub to the interface.
    fn back(&self) -> Result<(), TunnelError> {
        let (mut datagram, mut packet) = (vec![0; LARGEST], vec![0; LARGEST]);
        loop {
            let (length, from) = match self.socket.recv_from(&mut datagram) {
                Ok(received) => received,
                // An ICMP error for something that was sent is an error here.
                Err(error) => {
                    self.losses.tell("on the way to the hub, or from there", &error);
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
            };
            if from != self.hub {
                continue;
            }
            let mut input = &datagram[..length];
            loop {
                let opened = self.tunnel().decapsulate(Some(from.ip()), input, &mut packet);
                match opened {
                    TunnResult::WriteToNetwork(reply) => self.send(reply),
                    TunnResult::WriteToTunnelV4(opened, _) => {
                        // The interface may be down for a moment.
                        if let Err(error) = self.device.send(opened) {
                            self.losses.tell("on the way to the interface", &error);
                        }
                        break;
                    }
                    _ => break,
                }
                input = &[];
            }
        }
    }
}

/// Runs the link until it fails, or its configuration changes: a supervisor then starts it again.
/// The interface stays meanwhile.
///
/// # Errors
/// If the configuration, the interface or the socket cannot be had.
pub fn link(link: &Link<'_>) -> Result<(), TunnelError> {
    let mut watched = Watched::new(link.config);
    let mut status = Status { path: link.status, up: None };
    let (config, hub) = loop {
        if let Some(config) = watched.changed::<LinkConfig>()?
            && let Some(hub) = config.hub
        {
            break (config, hub);
        }
        status.set(false)?;
        std::thread::sleep(TICK);
    };
    let shared = Arc::new(Shared::open(&config, hub)?);
    eprintln!("{INTERFACE} is {}, linked to {hub}", config.address);
    let (one, other) = (shared.clone(), shared.clone());
    let threads = [std::thread::spawn(move || one.out()), std::thread::spawn(move || other.back())];
    let mut timers = Timers { datagram: vec![0; LARGEST], greeted: None };
    let mut looked = Instant::now();
    loop {
        let heard = timers.tick(&shared);
        status.set(heard.is_some_and(|since| since < SILENT))?;
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            match watched.changed::<LinkConfig>() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
                Err(error) => eprintln!("goes on as before: {error}"),
            }
        }
        if threads.iter().any(std::thread::JoinHandle::is_finished) {
            return Err(TunnelError::Thread);
        }
        std::thread::sleep(TICK);
    }
}

/// What a link does without a packet.
struct Timers {
    datagram: Vec<u8>,
    greeted: Option<Instant>,
}

impl Timers {
    /// Runs WireGuard's timers, and starts a handshake when the last one is old. Returns how long
    /// ago the hub was heard.
    fn tick(&mut self, shared: &Shared) -> Option<Duration> {
        let due = shared.tunnel().update_timers(&mut self.datagram);
        if let TunnResult::WriteToNetwork(due) = due {
            shared.send(due);
        }
        let (heard, ..) = shared.tunnel().stats();
        // WireGuard starts no handshake without traffic, and gives up one that is not answered.
        // A link must notice that its hub has restarted, and must never give up.
        let stale = heard.is_none_or(|since| since > FRESH);
        if stale && self.greeted.is_none_or(|at| at.elapsed() >= GREET) {
            self.greeted = Some(Instant::now());
            let hello = shared.tunnel().format_handshake_initiation(&mut self.datagram, true);
            if let TunnResult::WriteToNetwork(hello) = hello {
                shared.send(hello);
            }
        }
        heard
    }
}

/// Makes the interface. It stays when the process ends, and so does what others bind to it.
fn interface(config: &LinkConfig) -> Result<SyncDevice, TunnelError> {
    let failed = |source| TunnelError::Interface { name: INTERFACE, source };
    let device = DeviceBuilder::new().name(INTERFACE).mtu(MTU).build_sync().map_err(failed)?;
    device.persist().map_err(failed)?;
    let address = config.address.addr();
    let others = device.addresses().map_err(failed)?;
    for other in others.into_iter().filter(|a| a.is_ipv4() && *a != address) {
        device.remove_address(other).map_err(failed)?;
    }
    let mask: Ipv4Addr = config.address.netmask();
    device.set_network_address(address, mask, None).map_err(failed)?;
    device.enabled(true).map_err(failed)?;
    let index = device.if_index().map_err(failed)?;
    for net in &config.routes {
        route::add(*net, index)?;
    }
    Ok(device)
}

/// The status file.
struct Status<'a> {
    path: Option<&'a Path>,
    up: Option<bool>,
}

impl Status<'_> {
    fn set(&mut self, up: bool) -> Result<(), TunnelError> {
        if self.up == Some(up) {
            return Ok(());
        }
        self.up = Some(up);
        let Some(path) = self.path else { return Ok(()) };
        let failed = |source| TunnelError::Status { path: path.display().to_string(), source };
        std::fs::write(path, if up { "up\n" } else { "down\n" }).map_err(failed)
    }
}
