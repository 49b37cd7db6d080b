//! The driver: a network namespace for each hypervisor, on a bridge of the lab.

use crate::command::{CommandError, run};
use crate::lab::{Hypervisor, Lab};
use std::net::Ipv4Addr;
use std::path::Path;

fn ip(args: &str) -> Result<String, CommandError> {
    run("ip", &args.split(' ').collect::<Vec<_>>())
}

fn has_link(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

fn has_namespace(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

/// A subnet 10.89.x.0/24 that no interface of this machine is in; the same for the
/// same name where it can be.
pub fn free_subnet(wish: u8) -> Result<u8, CommandError> {
    let addresses = ip("-4 -o addr show")?;
    let taken = |n: u8| addresses.contains(&format!(" 10.89.{n}."));
    Ok((0..=u8::MAX).map(|i| wish.wrapping_add(i)).find(|&n| !taken(n)).unwrap_or(wish))
}

/// The lab's bridge is there and has its address.
pub fn ensure_bridge(lab: &Lab) -> Result<(), CommandError> {
    let tag = lab.tag();
    if !has_link(&tag) {
        ip(&format!("link add {tag} type bridge"))?;
    }
    ip(&format!("addr replace {}/24 dev {tag}", lab.gateway()))?;
    ip(&format!("link set {tag} up")).map(drop)
}

/// The hypervisor's namespace is there, with a cable to the bridge.
pub fn ensure_namespace(lab: &Lab, h: &Hypervisor) -> Result<(), CommandError> {
    let (name, cable) = (&h.name, &h.cable);
    if !has_namespace(name) {
        ip(&format!("netns add {name}"))?;
    }
    if !has_link(cable) {
        ip(&format!("link add {cable} type veth peer name eth0 netns {name}"))?;
        ip(&format!("link set {cable} master {}", lab.tag()))?;
    }
    ip(&format!("link set {cable} up"))?;
    ip(&format!("-n {name} link set lo up"))?;
    ip(&format!("-n {name} addr replace {}/24 dev eth0", h.address))?;
    ip(&format!("-n {name} link set eth0 up"))?;
    ip(&format!("-n {name} route replace default via {}", lab.gateway())).map(drop)
}

/// Only the lab's own machines can begin a connection to a private hypervisor: what a private
/// network is elsewhere.
pub fn shield(lab: &Lab, h: &Hypervisor) -> Result<(), CommandError> {
    const CHAIN: &str = "OI-PRIVATE";
    let mut rules = format!(
        "*mangle\n:{CHAIN} - [0:0]\n-A {CHAIN} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN\n"
    );
    let own = lab.hypervisors().into_iter().map(|h| h.address).chain([lab.gateway()]);
    own.for_each(|address| rules.push_str(&format!("-A {CHAIN} -s {address} -j RETURN\n")));
    rules.push_str(&format!("-A {CHAIN} -j DROP\nCOMMIT\n"));
    let script = format!(
        "printf %s \"$1\" | iptables-restore -w --noflush && {{ iptables -w -t mangle -C PREROUTING -i eth0 -j {CHAIN} 2>/dev/null || iptables -w -t mangle -A PREROUTING -i eth0 -j {CHAIN}; }}"
    );
    run("ip", &["netns", "exec", &h.name, "sh", "-c", &script, "sh", &rules]).map(drop)
}

/// The names of the routers between a machine and the lab, the outermost first.
pub fn routers(machine: &Hypervisor, nats: u8) -> impl Iterator<Item = String> {
    (1..=nats).map(move |n| format!("{}n{n}", machine.name))
}

/// The machine is behind so many routers, each of which hides what is behind it (NAT). The
/// outermost has the address in the lab that the machine would have.
pub fn ensure_behind(lab: &Lab, machine: &Hypervisor, nats: u8) -> Result<(), CommandError> {
    let names: Vec<String> = routers(machine, nats).collect();
    let Some(outermost) = names.first() else { return ensure_namespace(lab, machine) };
    ensure_namespace(lab, &Hypervisor { name: outermost.clone(), ..machine.clone() })?;
    let inner = names.iter().skip(1).chain([&machine.name]);
    for (n, (router, behind)) in names.iter().zip(inner).enumerate() {
        let net = format!("192.168.{}", 100 + n);
        let script = "echo 1 >/proc/sys/net/ipv4/ip_forward; iptables -w -t nat -C POSTROUTING -o eth0 -j MASQUERADE 2>/dev/null || iptables -w -t nat -A POSTROUTING -o eth0 -j MASQUERADE";
        run("ip", &["netns", "exec", router, "sh", "-c", script])?;
        if !has_namespace(behind) {
            ip(&format!("netns add {behind}"))?;
        }
        if ip(&format!("-n {behind} link show eth0")).is_err() {
            ip(&format!("-n {router} link add inside type veth peer name eth0 netns {behind}"))?;
        }
        ip(&format!("-n {router} addr replace {net}.1/24 dev inside"))?;
        ip(&format!("-n {router} link set inside up"))?;
        ip(&format!("-n {behind} link set lo up"))?;
        ip(&format!("-n {behind} addr replace {net}.2/24 dev eth0"))?;
        ip(&format!("-n {behind} link set eth0 up"))?;
        ip(&format!("-n {behind} route replace default via {net}.1"))?;
    }
    Ok(())
}

/// The machine is told at once that nothing is reached beyond the lab, as a router would. Without
/// that, a pod that begins before kube-proxy waits half a minute for its Service's address.
pub fn confine(lab: &Lab, machine: &Hypervisor) -> Result<(), CommandError> {
    let rule =
        format!("-o eth0 ! -d {}/24 -j REJECT --reject-with icmp-net-unreachable", lab.gateway());
    let script = format!(
        "for chain in OUTPUT FORWARD; do iptables -w -C $chain {rule} 2>/dev/null || iptables -w -A $chain {rule}; done"
    );
    run("ip", &["netns", "exec", &machine.name, "sh", "-c", &script]).map(drop)
}

/// The address of the machine behind so many routers.
pub fn address_behind(machine: &Hypervisor, nats: u8) -> Ipv4Addr {
    match nats {
        0 => machine.address,
        n => Ipv4Addr::new(192, 168, 99 + n, 2),
    }
}

/// Nothing of the hypervisor's network is left.
pub fn remove_namespace(h: &Hypervisor) -> Result<(), CommandError> {
    if has_link(&h.cable) {
        ip(&format!("link del {}", h.cable))?;
    }
    if has_namespace(&h.name) {
        ip(&format!("netns del {}", h.name))?;
    }
    Ok(())
}

/// The bridge is gone.
pub fn remove_bridge(lab: &Lab) -> Result<(), CommandError> {
    if has_link(&lab.tag()) {
        ip(&format!("link del {}", lab.tag()))?;
    }
    Ok(())
}
