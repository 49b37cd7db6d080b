//! haproxy in TCP mode, as ingresses and shared ports run it.
//!
//! A change of the configuration is a reload, not a restart. The configuration therefore carries
//! a mark in its `description`, and haproxy's `show info` tells which one it runs with.

use super::names::HAPROXY_IMAGE;
use super::{ContainerSpec, Mount};
use sha2::{Digest, Sha256};

/// Port in the pod.
pub const PORT: u16 = 6443;
/// The directory of its files in the container.
pub const ETC: &str = "/usr/local/etc/haproxy";
const RUN: &str = "/run/haproxy";
/// The socket on which haproxy's master takes commands.
pub const CONSOLE: &str = "master.sock";

/// The start of the `global` section.
pub const COMMON: &str = "    log stdout format raw local0 info
    maxconn 8192
";

/// The `defaults` section.
pub const DEFAULTS: &str = "defaults
    mode tcp
    log global
    option dontlognull
    timeout connect 5s
    # Watches and exec sessions are silent for long.
    timeout client 1h
    timeout server 1h
";

/// A digest of a configuration, and of the files that it reads.
pub fn digest(text: &str, files: &str) -> String {
    hex::encode(Sha256::new().chain_update(text).chain_update(files).finalize())
}

/// The whole configuration, with its mark.
pub fn marked(mark: &str, text: &str) -> String {
    format!("global\n    description {mark}\n{text}")
}

/// The container, with files in `dir` and the console in `run`.
pub fn container(name: &str, dir: String, run: String, files_hash: String) -> ContainerSpec {
    let (console, config) = (format!("{RUN}/{CONSOLE}"), format!("{ETC}/haproxy.cfg"));
    let command = ["haproxy", "-W", "-S", &console, "-f", &config];
    ContainerSpec {
        name: name.to_owned(),
        image: HAPROXY_IMAGE.to_owned(),
        command: command.map(str::to_owned).to_vec(),
        mounts: vec![Mount::read_only(dir, ETC), Mount::writable(run, RUN)],
        files_hash,
        ..ContainerSpec::default()
    }
}
