//! Commands in containers: those of the helper, and etcdctl.

use super::FakeCri;
use super::state::Inner;
use k8s_cri::v1 as cri;
use oi_helper::{apply, read_sealed};
use std::path::Path;

/// The content of a snapshot of etcd.
const SNAPSHOT: &str = "a snapshot";

/// What a command prints to standard output, or to standard error if it fails.
type Outcome = Result<String, String>;

impl FakeCri {
    /// Runs a command in a container.
    pub(super) fn run(&self, inner: &mut Inner, container: &str, cmd: &[String]) -> Outcome {
        if cmd.iter().any(|arg| arg == "snapshot") {
            return Ok(inner.save_snapshot(container, cmd));
        }
        if cmd[0] == "etcdctl" {
            let own = inner.commands.get(container).cloned().unwrap_or_default();
            return inner.etcd.run(cmd, &own);
        }
        match cmd.get(1).map(String::as_str) {
            Some("read") => read_sealed(&self.root, &cmd[2..].join(" ")).map_err(|e| e.to_string()),
            Some("cpus") => Ok("4".to_owned()),
            Some("public-key") => Ok(self.opener.public_key()),
            Some("put") => self.put(&cmd[2..].concat()),
            Some("console") => Ok(console(cmd)),
            Some("probe") => Ok(inner.probe(cmd)),
            _ => Ok(String::new()),
        }
    }

    fn put(&self, sealed: &str) -> Outcome {
        let operations = self.opener.open(sealed).map_err(|e| e.to_string())?;
        let changed = apply(&self.root, &operations).map_err(|e| e.to_string())?;
        Ok(changed.join("\n"))
    }
}

/// haproxy prints the configuration that it runs with: the one beside its socket.
fn console(cmd: &[String]) -> String {
    let node = cmd.get(3).and_then(|socket| Path::new(socket).parent()?.parent());
    let config = node.map(|dir| dir.join("haproxy/haproxy.cfg"));
    config.and_then(|config| std::fs::read_to_string(config).ok()).unwrap_or_default()
}

impl Inner {
    /// An API server answers `/version` with the version that its image names.
    fn probe(&self, cmd: &[String]) -> String {
        if !cmd.iter().any(|arg| arg == "/version") {
            return String::new();
        }
        let port = cmd.iter().find_map(|arg| arg.rsplit_once(':'));
        self.api_server_version(port.map_or("", |(_, port)| port))
    }

    /// What `/version` says on a port, made of the image's tag of the API server there.
    fn api_server_version(&self, port: &str) -> String {
        let flag = format!("--secure-port={port}");
        let serves =
            |id: &String| self.commands.get(id).is_some_and(|command| command.contains(&flag));
        let runs = |c: &&cri::Container| {
            c.state == cri::ContainerState::ContainerRunning as i32 && serves(&c.id)
        };
        let image = self.containers.values().find(runs).and_then(|c| c.image.as_ref());
        let tag = image.and_then(|i| i.image.rsplit_once(':')).map_or("", |(_, tag)| tag);
        format!("{{\"gitVersion\": \"{tag}\"}}")
    }

    /// `etcdctl snapshot save PATH`: something is in the file that a mount leads to.
    fn save_snapshot(&self, container: &str, cmd: &[String]) -> String {
        let path = cmd.last().map(String::as_str).unwrap_or_default();
        for mount in self.mounts.get(container).into_iter().flatten() {
            if let Some(rest) = path.strip_prefix(&mount.container_path) {
                let _ = std::fs::write(format!("{}{rest}", mount.host_path), SNAPSHOT);
            }
        }
        String::new()
    }
}
