//! haproxy in TCP mode, as ingresses and shared ports run it.

use crate::names::HAPROXY_IMAGE;
use oi_cri::{ContainerSpec, Mount};
use sha2::{Digest, Sha256};

/// Port within its pod.
pub const PORT: u16 = 6443;
/// Where it finds its files.
pub const ETC: &str = "/usr/local/etc/haproxy";
const RUN: &str = "/run/haproxy";
/// The socket on which its master takes commands.
pub const CONSOLE: &str = "master.sock";

/// What each configuration begins with.
pub const COMMON: &str = "    log stdout format raw local0 info
    maxconn 8192
";

/// How each treats connections.
pub const DEFAULTS: &str = "defaults
    mode tcp
    log global
    option dontlognull
    timeout connect 5s
    # Watches and exec sessions are silent for long.
    timeout client 1h
    timeout server 1h
";

/// Names a configuration, with what else it reads.
pub fn digest(text: &str, read: &str) -> String {
    hex::encode(Sha256::new().chain_update(text).chain_update(read).finalize())
}

/// A configuration that says by which mark haproxy runs with it.
pub fn marked(mark: &str, text: &str) -> String {
    format!("global\n    description {mark}\n{text}")
}

/// Its container, with files of `dir` and a console in `run`.
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
