//! Leaving nothing behind: processes, mounts, sockets, cgroups, directories.

use crate::lab::{Hypervisor, Lab};
use crate::process::{is_dead, kill_and_wait, stat_fields};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A cgroup that was made a moment ago may still be empty.
const YOUNG: Duration = Duration::from_secs(2);
/// How long killed processes may take to disappear.
const REAPED: Duration = Duration::from_secs(10);

/// Ids of containers that the hypervisor's containerd knows.
fn container_ids(h: &Hypervisor) -> Vec<String> {
    let tasks = h.dir.join("containerd/state/io.containerd.runtime.v2.task/k8s.io");
    let Ok(entries) = fs::read_dir(tasks) else { return Vec::new() };
    entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// Sockets of shims lie outside of the lab's directory; their bundles name them.
fn shim_sockets(h: &Hypervisor) -> Vec<PathBuf> {
    let tasks = h.dir.join("containerd/state/io.containerd.runtime.v2.task/k8s.io");
    container_ids(h)
        .iter()
        .filter_map(|id| fs::read_to_string(tasks.join(id).join("bootstrap.json")).ok())
        .filter_map(|text| {
            let value: serde_json::Value = serde_json::from_str(&text).ok()?;
            Some(PathBuf::from(value.get("address")?.as_str()?.strip_prefix("unix://")?))
        })
        .collect()
}

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

/// Kills shims of this containerd and whatever lives in its namespaces.
fn kill_processes(h: &Hypervisor) {
    let (socket, namespaces) = (h.socket().display().to_string(), namespaces(h));
    let mine = |proc: &Path| {
        let cmdline = fs::read(proc.join("cmdline")).unwrap_or_default();
        let is_shim = cmdline.split(|&b| b == 0).any(|arg| arg == socket.as_bytes());
        let addons = fs::metadata(proc.join("ns/net")).is_ok_and(|m| namespaces.contains(&m.ino()));
        is_shim || addons || is_rooted_below(proc, &h.dir)
    };
    // Again, for what was started while the first round went on.
    for _ in 0..3 {
        let found: Vec<i32> = processes().filter(|(_, p)| mine(p)).map(|(pid, _)| pid).collect();
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

/// Cgroups of containers in which nothing runs: those of `ids`, and those not younger than
/// `young`, which containerd could not remove because their processes were not reaped yet,
/// or whose containers it was just making. Young ones of others may be about to be filled.
fn idle_cgroups(roots: &[PathBuf], ids: &[String], young: Duration) -> Vec<PathBuf> {
    let groups = roots.iter().flat_map(fs::read_dir).flatten().flatten();
    groups
        .filter(|g| g.file_type().is_ok_and(|t| t.is_dir()))
        .filter(|g| {
            let age = g.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            let own = ids.iter().any(|id| g.file_name() == id.as_str());
            own || age.is_some_and(|age| age >= young)
        })
        .map(|g| g.path())
        .filter(|g| fs::read(g.join("cgroup.procs")).is_ok_and(|procs| procs.is_empty()))
        .collect()
}

fn remove_cgroups(ids: &[String]) {
    let controllers = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let mut roots: Vec<PathBuf> = controllers.map(|e| e.path().join("k8s.io")).collect();
    roots.push(PathBuf::from("/sys/fs/cgroup/k8s.io"));
    let busy = || roots.iter().any(|r| ids.iter().any(|id| r.join(id).is_dir()));
    let empty = || !idle_cgroups(&roots, ids, Duration::ZERO).is_empty();
    let start = Instant::now();
    loop {
        for group in idle_cgroups(&roots, ids, YOUNG) {
            let _ = fs::remove_dir(group);
        }
        let waited = start.elapsed();
        let wait = (busy() && waited < REAPED) || (empty() && waited < YOUNG + YOUNG / 4);
        if !wait {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for root in roots {
        // Only succeeds where nobody else has containers.
        let _ = fs::remove_dir(root);
    }
}

/// Sockets of shims that ended before containerd knew of them: nobody listens there.
fn remove_dead_sockets() {
    for socket in fs::read_dir("/run/containerd/s").into_iter().flatten().flatten() {
        let refused = UnixStream::connect(socket.path())
            .is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
        if refused {
            let _ = fs::remove_file(socket.path());
        }
    }
}

/// Everything that a hypervisor left outside of and below its directory.
pub fn hypervisor(h: &Hypervisor) {
    let (ids, sockets) = (container_ids(h), shim_sockets(h));
    kill_processes(h);
    wait_for_exiting();
    unmount_below(&h.dir);
    remove_cgroups(&ids);
    for socket in sockets {
        let _ = fs::remove_file(socket);
    }
    remove_dead_sockets();
    let _ = fs::remove_dir("/run/containerd/s");
    let _ = fs::remove_dir("/run/containerd");
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

/// Everything that a worker machine left outside of its directory, once its first process
/// was killed: what else ran in it ends with that.
pub fn worker(machine: &Hypervisor, cgroup: &str) {
    kill_processes(machine);
    wait_for_exiting();
    unmount_below(&machine.dir);
    let start = Instant::now();
    let left = || cgroup_roots().iter().any(|root| root.join(cgroup).is_dir());
    while left() && start.elapsed() < REAPED {
        for root in cgroup_roots() {
            remove_tree(&root.join(cgroup));
        }
        if left() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
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
