//! Leaving nothing behind: processes, mounts, sockets, cgroups, directories.

use crate::lab::{Hypervisor, Lab};
use crate::process::{is_dead, kill_and_wait, stat_fields};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long killed processes may take to disappear.
const REAPED: Duration = Duration::from_secs(10);

fn processes() -> impl Iterator<Item = (i32, PathBuf)> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, entry.path()))
    })
}

/// Inodes of the network namespaces that are mounted below a directory or under a
/// hypervisor's name.
fn namespaces(h: &Hypervisor) -> BTreeSet<u64> {
    let pods = h.dir.join("containerd/state/io.containerd.grpc.v1.cri/netns");
    let pods = fs::read_dir(pods).into_iter().flatten().flatten().map(|e| e.path());
    pods.chain([Path::new("/run/netns").join(&h.name)])
        .filter_map(|path| fs::metadata(path).ok().map(|m| m.ino()))
        .collect()
}

/// Whether a process has its root in a snapshot below a directory: a container's first
/// process that was never let go on, and whose shim is gone, shows only there.
fn is_rooted_below(proc: &Path, dir: &Path) -> bool {
    let upper = format!("upperdir={}/", dir.display());
    let mounts = fs::read_to_string(proc.join("mountinfo")).unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(4) == Some("/") && line.contains(&upper))
}

/// Processes in a cgroup and in those below it.
fn members(group: &Path, found: &mut BTreeSet<i32>) {
    let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    found.extend(procs.lines().filter_map(|line| line.parse::<i32>().ok()));
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        members(&entry.path(), found);
    }
}

/// Kills shims of this containerd and whatever lives in its namespaces or cgroups.
fn kill_processes(h: &Hypervisor) {
    let (socket, namespaces) = (h.socket().display().to_string(), namespaces(h));
    let mine = |proc: &Path| {
        let cmdline = fs::read(proc.join("cmdline")).unwrap_or_default();
        let is_shim = cmdline.split(|&b| b == 0).any(|arg| arg == socket.as_bytes());
        let in_namespace =
            fs::metadata(proc.join("ns/net")).is_ok_and(|m| namespaces.contains(&m.ino()));
        is_shim || in_namespace || is_rooted_below(proc, &h.dir)
    };
    // Again, for what was started while the first round went on.
    for _ in 0..3 {
        let mut found: BTreeSet<i32> =
            processes().filter(|(_, p)| mine(p)).map(|(pid, _)| pid).collect();
        for root in cgroup_roots() {
            members(&root.join(h.cgroup()), &mut found);
        }
        for pid in &found {
            kill_and_wait(*pid, Signal::KILL, Duration::from_secs(5));
        }
        if found.is_empty() {
            break;
        }
    }
}

/// Whether a process is on its way out: it has neither memory nor namespaces any more, so
/// that nothing tells whose it was, and is not dead yet (PF_EXITING, proc(5)).
fn is_exiting(pid: i32) -> bool {
    const PF_EXITING: u64 = 0x4;
    let fields = stat_fields(pid).unwrap_or_default();
    let flags = fields.get(6).and_then(|flags| flags.parse().ok()).unwrap_or(0);
    !is_dead(&fields) && flags & PF_EXITING != 0
}

/// Waits for processes that were killed before, by whomever.
fn wait_for_exiting() {
    let start = Instant::now();
    while start.elapsed() < REAPED && processes().any(|(pid, _)| is_exiting(pid)) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Unmounts all below a directory, the innermost first.
fn unmount_below(dir: &Path) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    for point in points.filter(|p| p.starts_with(dir)).collect::<Vec<_>>().into_iter().rev() {
        let _ = unmount(&point, UnmountFlags::DETACH);
    }
}

/// Where the kernel shows cgroups: one tree, or one for each controller.
fn cgroup_roots() -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![root];
    }
    let trees = fs::read_dir(&root).into_iter().flatten().flatten().map(|e| e.path());
    // Links are second names of the same tree.
    trees.filter(|p| !p.is_symlink() && p.join("cgroup.procs").exists()).collect()
}

/// A cgroup of that name is in each tree, empty.
pub fn make_cgroups(name: &str) -> std::io::Result<()> {
    for root in cgroup_roots() {
        let group = root.join(name);
        fs::create_dir_all(&group)?;
        // Of a cpuset nothing is inherited (cgroup v1).
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if root.ends_with("cpuset") {
                fs::write(group.join(file), fs::read(root.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// Removes a cgroup with all below it, the innermost first.
fn remove_tree(group: &Path) {
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    for entry in below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        remove_tree(&entry.path());
    }
    let _ = fs::remove_dir(group);
}

/// The machine's cgroups are gone, as soon as what was killed in them is.
fn remove_cgroups(name: &str) {
    let left = || cgroup_roots().iter().any(|root| root.join(name).is_dir());
    let start = Instant::now();
    while left() && start.elapsed() < REAPED {
        for root in cgroup_roots() {
            remove_tree(&root.join(name));
        }
        if left() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes what the CNI library remembers of the machine's pods, in a directory that all of
/// this host share.
fn forget_pods(machine: &Hypervisor) {
    let dir = machine.dir.display().to_string();
    for entry in fs::read_dir("/var/lib/cni/results").into_iter().flatten().flatten() {
        if fs::read_to_string(entry.path()).is_ok_and(|text| text.contains(&dir)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Everything that a machine, a hypervisor or a worker, left outside of its directory, once
/// its first process was killed.
pub fn machine(machine: &Hypervisor) {
    kill_processes(machine);
    wait_for_exiting();
    unmount_below(&machine.dir);
    remove_cgroups(machine.cgroup());
    forget_pods(machine);
    let sockets = machine.shim_sockets();
    let _ = fs::remove_dir_all(&sockets);
    // Only succeeds where no other machine has sockets.
    let _ = sockets.parent().map(fs::remove_dir);
}

/// The lab's directory, and the one above where it was the last.
pub fn directory(lab: &Lab) -> std::io::Result<()> {
    match fs::remove_dir_all(&lab.dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    if let Some(base) = lab.dir.parent() {
        let _ = fs::remove_dir(base);
    }
    Ok(())
}
