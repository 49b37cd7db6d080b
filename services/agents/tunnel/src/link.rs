//! A link: an interface of this machine whose packets go to the hub, and come from there.

use crate::config::{LinkConfig, Watched};
use crate::error::TunnelError;
use crate::hub::{LARGEST, SEAL};
use crate::route;
use boringtun::noise::{Tunn, TunnResult};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tun_rs::{DeviceBuilder, SyncDevice};

/// The interface's name.
pub const INTERFACE: &str = "oi-tunnel";
/// WireGuard's own: 1500 less 80 for IPv6, UDP and its header.
const MTU: u16 = 1420;
const TICK: Duration = Duration::from_millis(250);
/// NATs forget where packets come from after half a minute or more of silence.
const KEEPALIVE: u16 = 20;
/// Between handshakes that are begun anew, where none is answered.
const GREET: Duration = Duration::from_secs(5);
/// A handshake is no older: the hub may have begun anew, and then knows nothing of it.
const FRESH: Duration = Duration::from_secs(20);
/// No handshake for so long: the hub is silent.
const SILENT: Duration = Duration::from_secs(45);

/// How a link is run.
pub struct Link<'a> {
    /// Its configuration.
    pub config: &'a Path,
    /// Where it is written whether the hub was heard lately: `up` or `down`.
    pub status: Option<&'a Path>,
}

struct Shared {
    tunnel: Mutex<Tunn>,
    socket: UdpSocket,
    hub: SocketAddr,
    device: SyncDevice,
}

impl Shared {
    fn tunnel(&self) -> MutexGuard<'_, Tunn> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What cannot be sent is lost, as packets are.
    fn send(&self, datagram: &[u8]) {
        // Not a connected socket: the machine's own address may change.
        let _ = self.socket.send_to(datagram, self.hub);
    }

    /// From the interface to the hub.
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

    /// From the hub to the interface.
    fn back(&self) -> Result<(), TunnelError> {
        let (mut datagram, mut packet) = (vec![0; LARGEST], vec![0; LARGEST]);
        loop {
            // An ICMP error for something that was sent comes as an error here.
            let Ok((length, from)) = self.socket.recv_from(&mut datagram) else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
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
                        let _ = self.device.send(opened);
                        break;
                    }
                    _ => break,
                }
                input = &[];
            }
        }
    }
}

/// Runs the link until it fails, or is to be another one: whatever supervises it starts it
/// again, and the interface stays meanwhile.
///
/// # Errors
/// Where the configuration, the interface or the socket is not to be had.
pub fn link(link: &Link<'_>) -> Result<(), TunnelError> {
    let mut watched = Watched::new(link.config);
    let mut status = Status { path: link.status, up: None };
    let (config, hub) = loop {
        if let Some(config) = watched.changed::<LinkConfig>()?
            && let Some(hub) = config.hub
        {
            break (config, hub);
        }
        status.tell(false)?;
        std::thread::sleep(TICK);
    };
    let any = if hub.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(TunnelError::Socket)?;
    let tunnel = Tunn::new(
        config.private_key.secret(),
        config.hub_key.peer(),
        None,
        Some(KEEPALIVE),
        0,
        None,
    );
    let device = interface(&config)?;
    eprintln!("{INTERFACE} is {}, linked to {hub}", config.address);
    let shared = Arc::new(Shared { tunnel: Mutex::new(tunnel), socket, hub, device });
    let (one, other) = (shared.clone(), shared.clone());
    let threads = [std::thread::spawn(move || one.out()), std::thread::spawn(move || other.back())];
    let mut datagram = vec![0; LARGEST];
    let mut looked = Instant::now();
    let mut greeted: Option<Instant> = None;
    loop {
        let due = shared.tunnel().update_timers(&mut datagram);
        if let TunnResult::WriteToNetwork(due) = due {
            shared.send(due);
        }
        let (heard, ..) = shared.tunnel().stats();
        // A tunnel without traffic would not notice that its hub has begun anew, and one that
        // is not answered gives up; a link never does.
        let stale = heard.is_none_or(|since| since > FRESH);
        if stale && greeted.is_none_or(|at| at.elapsed() >= GREET) {
            greeted = Some(Instant::now());
            let hello = shared.tunnel().format_handshake_initiation(&mut datagram, true);
            if let TunnResult::WriteToNetwork(hello) = hello {
                shared.send(hello);
            }
        }
        status.tell(heard.is_some_and(|since| since < SILENT))?;
        if looked.elapsed() >= Duration::from_secs(1) {
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

/// The interface: it stays when the process ends, and so does what others have bound to it.
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

/// Where it is written whether the hub was heard.
struct Status<'a> {
    path: Option<&'a Path>,
    up: Option<bool>,
}

impl Status<'_> {
    fn tell(&mut self, up: bool) -> Result<(), TunnelError> {
        if self.up == Some(up) {
            return Ok(());
        }
        self.up = Some(up);
        let Some(path) = self.path else { return Ok(()) };
        let failed = |source| TunnelError::Status { path: path.display().to_string(), source };
        std::fs::write(path, if up { "up\n" } else { "down\n" }).map_err(failed)
    }
}
