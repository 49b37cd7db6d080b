//! The driver: a network namespace for each hypervisor, on a bridge of the lab.

use crate::command::{CommandError, run};
use crate::lab::{Hypervisor, Lab};
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
