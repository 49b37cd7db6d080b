//! Workers join by public commands: a token from `oi`, and then `oi node join` or
//! `kubeadm join` on the machine itself.

use crate::lab::Lab;
use crate::worker::{Wanted, Worker, WorkerError, ask_oi};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;

/// The way in which a worker joins.
#[derive(Clone, Copy)]
pub enum Way {
    /// `oi node join`.
    Oi,
    /// `kubeadm join`.
    Kubeadm,
}

/// Checks of kubeadm that a machine like these cannot pass: it is part of another one, whose
/// kernel and cgroups it has.
const IGNORED: &str = "SystemVerification,Swap";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What kubeadm is told where a link comes first.
const CONFIG: &str = "/var/tmp/join.json";

/// Makes a worker and has it join.
pub fn create(lab: &Lab, wanted: Wanted, way: Option<Way>) -> Result<(), WorkerError> {
    let cluster = &wanted.cluster.clone();
    let found = ask_oi(lab, &["cluster", "get", cluster, "-o", "json"])?;
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    let tunnel = !text(&found["tunnelCidr"]).is_empty();
    if wanted.nats > 0 && !tunnel {
        return Err(WorkerError::NoTunnel(cluster.to_owned()));
    }
    let worker = lab.ensure_worker(wanted, &text(&found["version"]))?;
    let name = &worker.record.name;
    eprintln!("worker {name}: containerd at {}", worker.address());
    match way {
        None => {}
        // Its own record of having joined is kubeadm's, which refuses to do it again.
        Some(Way::Kubeadm) if has(&worker, "etc/kubernetes/kubelet.conf") => {
            worker.offer_kubelet()?
        }
        Some(way) => {
            let about = format!("worker {name}");
            let args = ["join-token", "create", "--cluster", cluster, "--ttl", "15m"];
            let made =
                ask_oi(lab, &[&args[..], &["--description", &about, "-o", "json"]].concat())?;
            let made: Value = serde_json::from_str(&made).unwrap_or_default();
            match way {
                Way::Oi => by_oi(&worker, &made)?,
                Way::Kubeadm => by_kubeadm(&worker, &made, tunnel)?,
            }
        }
    }
    println!("{name}");
    Ok(())
}

/// Whether the worker has written a file.
fn has(worker: &Worker<'_>, path: &str) -> bool {
    worker.dir().join("upper").join(path).exists()
}

fn write(worker: &Worker<'_>, name: &str, content: &str) -> Result<String, WorkerError> {
    // What is in `var` here is `/var` there.
    let path = worker.dir().join("var/tmp").join(name);
    let failed = |source| WorkerError::File { path: path.clone(), source };
    let _ = fs::remove_file(&path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    std::io::Write::write_all(&mut file, content.as_bytes()).map_err(failed)?;
    Ok(format!("/var/tmp/{name}"))
}

/// What `oi node join` and `oi node connect` are told; the token is in a file.
fn flags(worker: &Worker<'_>, token: &Value) -> Result<[String; 8], WorkerError> {
    let ca = write(worker, "ca.crt", &text(&token["caCertificate"]))?;
    let secret = write(worker, "token", &text(&token["token"]))?;
    Ok([
        "--nodename",
        &worker.record.name,
        "--apiserver-endpoint",
        &text(&token["endpoint"]),
        "--apiserver-ca-cert-file",
        &ca,
        "--join-token",
        &format!("@{secret}"),
    ]
    .map(str::to_owned))
}

fn by_oi(worker: &Worker<'_>, token: &Value) -> Result<(), WorkerError> {
    let args = [["node", "join"].map(str::to_owned).to_vec(), flags(worker, token)?.to_vec()];
    let done = worker.exec("oi", &args.concat());
    let _ = fs::remove_file(worker.dir().join("var/tmp/token"));
    done
}

fn by_kubeadm(worker: &Worker<'_>, token: &Value, tunnel: bool) -> Result<(), WorkerError> {
    worker.offer_kubelet()?;
    let mut args: Vec<String> = if tunnel {
        let script =
            format!("umask 077; oi node connect {} >{CONFIG}", flags(worker, token)?.join(" "));
        worker.exec("sh", &["-c".to_owned(), script])?;
        ["join", "--config", CONFIG].map(str::to_owned).into()
    } else {
        let command = text(&token["kubeadm"]);
        let named = ["--node-name", &worker.record.name].map(str::to_owned);
        command.split(' ').skip(1).map(str::to_owned).chain(named).collect()
    };
    args.push(format!("--ignore-preflight-errors={IGNORED}"));
    let done = worker.exec("kubeadm", &args);
    for secret in ["token", "join.json"] {
        let _ = fs::remove_file(worker.dir().join("var/tmp").join(secret));
    }
    done
}
