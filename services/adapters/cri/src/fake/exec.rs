//! Commands in containers: those of the helper, and etcdctl.

use super::state::Inner;
use super::{FakeCri, etcd};
use k8s_cri::v1 as cri;
use oi_helper::{Calls, FileOp, apply, read_sealed, seal_bytes};
use oi_kube::{Reply, Request, Verb};
use sha2::{Digest, Sha256};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The files in a member's data directory: its database, and whether it begins a membership.
const DATABASE: &str = "database";
const NEW_MEMBERSHIP: &str = "new-membership";

/// A snapshot of etcd ends with the SHA-256 of what is before.
fn snapshot(content: &[u8]) -> Vec<u8> {
    [content, Sha256::digest(content).as_slice()].concat()
}

/// What a command prints to standard output, or to standard error if it fails.
type Outcome = Result<String, String>;

impl FakeCri {
    /// Runs a command in a container.
    pub(super) fn run(&self, inner: &mut Inner, container: &str, cmd: &[String]) -> Outcome {
        if cmd.iter().any(|arg| arg == "snapshot") {
            return inner.save_snapshot(container, cmd).map_err(|e| e.to_string());
        }
        if cmd[0] == "etcdctl" {
            let own = inner.commands.get(container).cloned().unwrap_or_default();
            return inner.etcd.run(cmd, &own);
        }
        match cmd.get(1).map(String::as_str) {
            Some("read") => read_sealed(&self.root, &cmd[2..].join(" ")).map_err(|e| e.to_string()),
            Some("cpus") => Ok("4".to_owned()),
            Some("directories") => match oi_helper::directories(&self.root) {
                Ok(all) => Ok(all.join("\n")),
                Err(error) => Err(error.to_string()),
            },
            Some("listening") => Ok(inner.listening.iter().map(|p| format!("{p}\n")).collect()),
            Some("public-key") => Ok(self.opener.public_key()),
            Some("put") => self.put(inner, &cmd[2..].concat()),
            Some("kube") => self.kube(inner, &cmd[2..].concat()),
            Some("console") => Ok(console(cmd)),
            Some("probe") => Ok(inner.probe(cmd)),
            _ => Ok(String::new()),
        }
    }

    fn put(&self, inner: &Inner, sealed: &str) -> Outcome {
        let operations = self.opener.open(sealed).map_err(|e| e.to_string())?;
        for operation in &operations {
            if let FileOp::Remove { path } = operation
                && inner.lasting.iter().any(|of| path.contains(of))
            {
                return Err(format!("{path}: Device or resource busy"));
            }
        }
        let changed = apply(&self.root, &operations).map_err(|e| e.to_string())?;
        Ok(changed.join("\n"))
    }

    /// An API server takes whatever is applied, and lists nothing.
    fn kube(&self, inner: &mut Inner, sealed: &str) -> Outcome {
        let plain = self.opener.open_bytes(sealed).map_err(|e| e.to_string())?;
        let calls: Calls = postcard::from_bytes(&plain).map_err(|e| e.to_string())?;
        let server = &calls.server.address;
        let replies: Vec<Reply> = calls.requests.iter().map(|r| inner.answer(server, r)).collect();
        inner.requests.extend(calls.requests.into_iter().map(|r| r.path));
        let plain = postcard::to_stdvec(&replies).map_err(|e| e.to_string())?;
        seal_bytes(&calls.answer_to, &plain).map_err(|e| e.to_string())
    }
}

/// haproxy prints the configuration that it runs with: the one beside its socket.
fn console(cmd: &[String]) -> String {
    let node = cmd.get(3).and_then(|socket| Path::new(socket).parent()?.parent());
    let config = node.map(|dir| dir.join("haproxy/haproxy.cfg"));
    config.and_then(|config| std::fs::read_to_string(config).ok()).unwrap_or_default()
}

impl Inner {
    fn answer(&mut self, server: &str, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let key = (server.to_owned(), path.to_owned());
        if request.body.is_empty() {
            let found = self.objects.get(&key).filter(|_| path == request.path);
            return Reply { status: 200, body: found.cloned().unwrap_or_else(|| b"{}".to_vec()) };
        }
        if self.refused.as_ref().is_some_and(|refused| path.contains(refused)) {
            return Reply { status: 500, body: b"failed calling webhook".to_vec() };
        }
        if request.verb == Verb::Apply {
            self.objects.insert(key, request.body.clone());
        }
        Reply { status: 200, body: request.body.clone() }
    }

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

    /// `etcdctl snapshot save PATH`: the member's database is in the file, as far as it is sent.
    fn save_snapshot(&mut self, container: &str, cmd: &[String]) -> std::io::Result<String> {
        let file = cmd.last().and_then(|path| self.host_path(container, path));
        let Some(file) = file else { return Err(ErrorKind::InvalidInput.into()) };
        let database = std::fs::read(file.with_file_name(DATABASE))?;
        let mut whole = snapshot(&database);
        if std::mem::take(&mut self.cuts_snapshot) {
            whole.pop();
        }
        std::fs::write(file, whole)?;
        Ok(String::new())
    }

    /// `etcdutl snapshot restore FILE --data-dir=DIR`: the data is made of the snapshot.
    pub fn restore_snapshot(&self, container: &str) -> std::io::Result<()> {
        let paths = self.commands.get(container).and_then(|command| {
            let dir = command.iter().find_map(|arg| arg.strip_prefix("--data-dir="))?;
            let file = command.iter().find(|arg| arg.ends_with("/snapshot"))?;
            Some((self.host_path(container, dir)?, self.host_path(container, file)?))
        });
        let Some((dir, file)) = paths else { return Err(ErrorKind::InvalidInput.into()) };
        let whole = std::fs::read(file)?;
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join(DATABASE), &whole[..whole.len().saturating_sub(32)])?;
        std::fs::write(dir.join(NEW_MEMBERSHIP), "")
    }

    /// A member starts: with its data, or else with some that is new. Returns false where it
    /// cannot.
    pub fn start_etcd(&mut self, container: &str) -> std::io::Result<bool> {
        let Some(dir) = self.host_path(container, "/var/lib/etcd") else { return Ok(true) };
        if std::fs::read(dir.join(DATABASE)).is_ok_and(|database| database == b"unusable") {
            return Ok(false);
        }
        if std::fs::remove_file(dir.join(NEW_MEMBERSHIP)).is_ok() {
            self.etcd = etcd::Members::default();
        }
        if !dir.join(DATABASE).exists() {
            std::fs::write(dir.join(DATABASE), "new")?;
        }
        Ok(true)
    }

    /// Where a path in a container is on the hypervisor.
    fn host_path(&self, container: &str, path: &str) -> Option<PathBuf> {
        let mut mounts = self.mounts.get(container)?.iter();
        mounts.find_map(|m| {
            let rest = path.strip_prefix(&m.container_path)?;
            Some(PathBuf::from(format!("{}{rest}", m.host_path)))
        })
    }
}
