//! Which packets go from one link to another: a pure function of both ends and the packet.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// What is at the end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A worker node.
    Worker,
    /// The API server of a control plane.
    ControlPlane,
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// What carries the network of pods: VXLAN as Linux and flannel have it, VXLAN (RFC 7348),
/// Geneve (RFC 8926).
const OVERLAYS: [u16; 3] = [8472, 4789, 6081];
/// Kubelets check who asks them; pods that gather metrics ask those of all nodes.
const KUBELET: u16 = 10250;
/// Services that are offered at all nodes, which may be asked for at any: the API server's
/// default range.
const NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;
/// Below are the ports of a machine's own servers.
const UNPRIVILEGED: u16 = 1024;
const ICMP_ERRORS: [u8; 2] = [3, 11];
const ICMP_ECHO_REPLY: u8 = 0;

/// The part of a packet that is looked at.
struct Header {
    protocol: u8,
    source_port: u16,
    port: u16,
    /// Of TCP: it belongs to a connection that the other end has begun or accepted.
    acknowledges: bool,
    /// Of ICMP.
    kind: u8,
}

/// IPv4 (RFC 791), not a fragment: of those only the first would tell where it goes.
fn header(packet: &[u8]) -> Option<Header> {
    let first = *packet.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let length = usize::from(first & 0x0f) * 4;
    let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff;
    if length < 20 || fragment != 0 {
        return None;
    }
    let protocol = *packet.get(9)?;
    let inner = packet.get(length..)?;
    let word = |at: usize| Some(u16::from_be_bytes([*inner.get(at)?, *inner.get(at + 1)?]));
    let (source_port, port) = match protocol {
        TCP | UDP => (word(0)?, word(2)?),
        _ => (0, 0),
    };
    let acknowledges = protocol == TCP && inner.get(13)? & 0x10 != 0;
    Some(Header { protocol, source_port, port, acknowledges, kind: *inner.first()? })
}

/// Whether a packet may go from one end to the other.
///
/// An API server reaches workers, and they answer it. Workers reach each other by what
/// carries the network of their pods, by node ports, and by their kubelets; for all else they
/// are apart, as API servers are.
pub fn allows(from: Kind, to: Kind, packet: &[u8]) -> bool {
    let Some(h) = header(packet) else { return false };
    let error = h.protocol == ICMP && ICMP_ERRORS.contains(&h.kind);
    match (from, to) {
        (Kind::ControlPlane, Kind::Worker) => true,
        (Kind::ControlPlane, Kind::ControlPlane) => false,
        (Kind::Worker, Kind::ControlPlane) => {
            error || h.acknowledges || (h.protocol == ICMP && h.kind == ICMP_ECHO_REPLY)
        }
        (Kind::Worker, Kind::Worker) => {
            let serves = |port| NODE_PORTS.contains(&port);
            error
                || match h.protocol {
                    TCP => {
                        let offered = |port| port == KUBELET || serves(port);
                        offered(h.port) || (offered(h.source_port) && h.acknowledges)
                    }
                    UDP => {
                        let answers = serves(h.source_port) && h.port >= UNPRIVILEGED;
                        OVERLAYS.contains(&h.port) || serves(h.port) || answers
                    }
                    _ => false,
                }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, allows};
    use Kind::{ControlPlane, Worker};

    fn packet(protocol: u8, from: u16, to: u16, flags: u8) -> Vec<u8> {
        let mut bytes = vec![0; 40];
        bytes[0] = 0x45;
        bytes[9] = protocol;
        bytes[20..22].copy_from_slice(&from.to_be_bytes());
        bytes[22..24].copy_from_slice(&to.to_be_bytes());
        bytes[33] = flags;
        bytes
    }

    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;

    #[test]
    fn workers_reach_each_other_by_pods_networks_node_ports_and_kubelets_only() {
        assert!(allows(Worker, Worker, &packet(17, 40_000, 8472, 0)));
        assert!(allows(Worker, Worker, &packet(6, 40_000, 10250, SYN)));
        assert!(allows(Worker, Worker, &packet(6, 10250, 40_000, SYN | ACK)));
        assert!(allows(Worker, Worker, &packet(6, 40_000, 31_000, SYN)));
        assert!(allows(Worker, Worker, &packet(6, 31_000, 40_000, SYN | ACK)));
        assert!(allows(Worker, Worker, &packet(17, 40_000, 31_000, 0)));
        assert!(allows(Worker, Worker, &packet(17, 31_000, 40_000, 0)));
        assert!(!allows(Worker, Worker, &packet(17, 31_000, 53, 0)));
        assert!(!allows(Worker, Worker, &packet(6, 31_000, 22, SYN)));
        assert!(!allows(Worker, Worker, &packet(6, 10250, 22, SYN)));
        assert!(!allows(Worker, Worker, &packet(6, 40_000, 22, SYN)));
        assert!(!allows(Worker, Worker, &packet(17, 8472, 53, 0)));
        assert!(!allows(Worker, Worker, &packet(1, 0x0800, 0, 0)));
    }

    #[test]
    fn api_servers_reach_workers_which_only_answer() {
        assert!(allows(ControlPlane, Worker, &packet(6, 40_000, 10250, SYN)));
        assert!(allows(Worker, ControlPlane, &packet(6, 10250, 40_000, SYN | ACK)));
        assert!(!allows(Worker, ControlPlane, &packet(6, 10250, 6443, SYN)));
        assert!(!allows(Worker, ControlPlane, &packet(17, 53, 40_000, 0)));
        assert!(!allows(ControlPlane, ControlPlane, &packet(6, 40_000, 6443, SYN)));
    }

    #[test]
    fn what_is_no_whole_packet_goes_nowhere() {
        let mut fragment = packet(17, 40_000, 8472, 0);
        fragment[6] = 0x20;
        let mut later = packet(17, 40_000, 8472, 0);
        later[7] = 1;
        let mut v6 = packet(17, 40_000, 8472, 0);
        v6[0] = 0x65;
        let whole = packet(17, 40_000, 8472, 0);
        for bytes in [&fragment[..], &later, &v6, &[], &whole[..20], &whole[..22]] {
            assert!(!allows(Worker, Worker, bytes));
        }
    }
}
