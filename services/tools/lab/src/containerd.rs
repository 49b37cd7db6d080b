//! A containerd of its own for each hypervisor.

use crate::command::{CommandError, cache_dir, find};
use crate::lab::{Hypervisor, Lab};
use crate::process::in_own_session;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The image of every sandbox: containerd 2.3's own default.
const SANDBOX_IMAGE: &str = "registry.k8s.io/pause:3.10.2";

/// The machine's limit of inotify instances. Each control plane takes ten, all as one user; the
/// kernel's default of 128 is used up by a dozen, and then containerd starts without CRI.
const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";
const INOTIFY_INSTANCES: u32 = 8192;

/// Why containerd was not set up.
#[derive(Debug, thiserror::Error)]
pub enum ContainerdError {
    /// A program is missing.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file cannot be written.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A plugin is missing.
    #[error("CNI plugin {0} is not to be found: run deploy/toolchain cni")]
    Plugin(PathBuf),
}

/// What all machines of a lab have: runc with its `options`, the sandbox's image, and the
/// mirrors below `dir`.
fn runc_and_images(runc: &Path, options: &str, dir: &str) -> String {
    format!(
        r#"  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
      SystemdCgroup = false
{options}

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{SANDBOX_IMAGE}"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{dir}/certs.d"
"#,
        runc = runc.display(),
    )
}

/// runc, which puts each container into the hypervisor's own cgroup instead of the one that
/// all containerds of the machine share.
fn runc_in_cgroup(h: &Hypervisor, runc: &Path) -> String {
    format!(
        r#"#!/bin/sh
previous=
for word; do
  if [ "$previous" = --bundle ]; then
    sed -i 's#"cgroupsPath":"/k8s.io/#"cgroupsPath":"/{group}/#' "$word/config.json"
  fi
  previous=$word
done
exec {runc} "$@"
"#,
        group = h.cgroup(),
        runc = runc.display(),
    )
}

fn config(h: &Hypervisor, runc: &Path, cni: &Path) -> String {
    let dir = h.dir.display();
    format!(
        r#"version = 3
root = "{dir}/containerd/root"
state = "{dir}/containerd/state"
# What a hypervisor of control planes does not need.
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.native", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.btrfs",
]

[grpc]
  address = "{socket}"

[ttrpc]
  address = "{socket}.ttrpc"

[plugins."io.containerd.shim.v1.manager"]
  socket_dir = "{sockets}"

[plugins."io.containerd.cri.v1.runtime"]
  # Works also where CAP_SYS_RESOURCE is missing.
  restrict_oom_score_adj = true
  # Nobody asks for statistics; the default looks at each cgroup each second.
  stats_collect_period = "10m"
  stats_retention_period = "10m"
  # Everything in one place, so that nothing can be left behind.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{cni}"]
    conf_dir = "{dir}/cni"
{rest}"#,
        socket = h.socket().display(),
        sockets = h.shim_sockets().display(),
        cni = cni.display(),
        rest = runc_and_images(
            runc,
            &format!("      Root = \"{dir}/containerd/runc\"\n"),
            &dir.to_string()
        ),
    )
}

fn network(h: &Hypervisor) -> String {
    format!(
        r#"{{
  "cniVersion": "1.0.0",
  "name": "oi",
  "plugins": [
    {{
      "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true,
      "ipam": {{
        "type": "host-local", "dataDir": "{}/ipam",
        "ranges": [[{{"subnet": "10.88.0.0/16"}}]]
      }}
    }},
    {{"type": "portmap", "capabilities": {{"portMappings": true}}, "snat": true}}
  ]
}}
"#,
        h.dir.display()
    )
}

fn write(path: PathBuf, text: &str) -> Result<(), ContainerdError> {
    let dir = path.parent().unwrap_or(&path);
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|source| ContainerdError::File { path, source })
}

const PLUGINS: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// The directory of plugins.
fn plugins() -> Result<PathBuf, ContainerdError> {
    let cni = cache_dir().join("cni");
    match PLUGINS.iter().find(|plugin| !cni.join(plugin).is_file()) {
        Some(plugin) => Err(ContainerdError::Plugin(cni.join(plugin))),
        None => Ok(cni),
    }
}

/// The lab's registry serves images under their real names.
fn write_mirrors(lab: &Lab, dir: &Path) -> Result<(), ContainerdError> {
    for upstream in ["registry.k8s.io", "docker.io", "ghcr.io"] {
        let registry = lab.registry();
        let mirror = format!(
            "server = \"http://{registry}\"\n[host.\"http://{registry}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        );
        write(dir.join("certs.d").join(upstream).join("hosts.toml"), &mirror)?;
    }
    Ok(())
}

/// Raises the machine's limit of inotify instances. Where it may not, a few hypervisors work
/// all the same.
pub fn allow_inotify() {
    let allowed = std::fs::read_to_string(INOTIFY).map(|text| text.trim().parse::<u32>());
    if let Ok(Ok(allowed)) = allowed
        && allowed < INOTIFY_INSTANCES
    {
        match std::fs::write(INOTIFY, INOTIFY_INSTANCES.to_string()) {
            Ok(()) => eprintln!("{INOTIFY} is {INOTIFY_INSTANCES} from now on, and was {allowed}"),
            Err(error) => eprintln!("{INOTIFY} stays {allowed}: {error}"),
        }
    }
}

/// Writes what a worker machine puts into its own `/etc` and `/opt`: there everything is
/// where packages have it.
pub fn prepare_worker(lab: &Lab, dir: &Path) -> Result<(), ContainerdError> {
    let runc = find("runc")?;
    find("containerd-shim-runc-v2")?;
    let config = format!(
        r#"version = 3
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
{rest}"#,
        rest = runc_and_images(&runc, "", "/etc/containerd"),
    );
    write(dir.join("config.toml"), &config)?;
    write_mirrors(lab, dir)?;
    let from = plugins()?;
    for plugin in PLUGINS {
        let (from, to) = (from.join(plugin), dir.join("cni").join(plugin));
        let failed = |source| ContainerdError::File { path: to.clone(), source };
        std::fs::create_dir_all(dir.join("cni")).map_err(failed)?;
        std::fs::copy(&from, &to).map_err(failed)?;
    }
    Ok(())
}

/// Writes the hypervisor's configuration; returns the command that runs it.
pub fn prepare(lab: &Lab, h: &Hypervisor) -> Result<Command, ContainerdError> {
    let (containerd, runc) = (find("containerd")?, find("runc")?);
    find("containerd-shim-runc-v2")?;
    let cni = plugins()?;
    let config_file = h.dir.join("containerd/config.toml");
    let wrapper = h.dir.join("containerd/runc-in-cgroup");
    write(wrapper.clone(), &runc_in_cgroup(h, &runc))?;
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755))
        .map_err(|source| ContainerdError::File { path: wrapper.clone(), source })?;
    write(config_file.clone(), &config(h, &wrapper, &cni))?;
    write(h.dir.join("cni/10-oi.conflist"), &network(h))?;
    write_mirrors(lab, &h.dir)?;
    std::fs::create_dir_all(h.data_dir())
        .map_err(|source| ContainerdError::File { path: h.data_dir(), source })?;
    // `ip netns exec` would hide the cgroup mounts.
    let mut command = in_own_session(Path::new("nsenter"));
    command.arg(format!("--net=/run/netns/{}", h.name)).arg("--").arg(&containerd);
    command.arg("-c").arg(config_file).args(["--log-level", "warn"]);
    let bin = containerd.parent().unwrap_or(Path::new("/")).to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&path)));
    command.env("PATH", path.unwrap_or_default()).env("GOMEMLIMIT", "64MiB").env("GOGC", "50");
    Ok(command)
}
