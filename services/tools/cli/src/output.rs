//! Results as table, JSON or YAML.

use crate::error::Failure;
use crate::flags::Format;
use comfy_table::{ContentArrangement, Table, presets};
use oi_proto::v1;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;

/// Prints on stdout.
///
/// # Errors
/// Where nobody reads.
pub fn print(text: &str) -> Result<(), Failure> {
    let failed = |source| Failure::Io { what: "stdout".to_owned(), source };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed)
}

/// Prints rows of equal fields; `whole` is one thing rather than a list.
///
/// # Errors
/// Where nobody reads.
pub fn rows(format: Format, rows: Vec<Value>, whole: bool) -> Result<(), Failure> {
    let value = |rows: Vec<Value>| {
        if whole { rows.into_iter().next().unwrap_or(Value::Null) } else { Value::Array(rows) }
    };
    match format {
        Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&value(rows))?)),
        Format::Yaml => print(&serde_yaml_ng::to_string(&value(rows))?),
        Format::Table => print(&format!("{}\n", table(&rows))),
    }
}

fn table(rows: &[Value]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let Some(Value::Object(first)) = rows.first() else { return "none".to_owned() };
    // Long values are for the other formats.
    let shown: Vec<&String> = first.keys().filter(|k| *k != "caCertificate").collect();
    table.set_header(shown.iter().map(|k| k.to_uppercase()));
    for row in rows {
        table.add_row(shown.iter().map(|k| match row.get(k.as_str()) {
            Some(Value::String(s)) => s.clone(),
            Some(Value::Object(m)) => {
                m.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
            }
            Some(Value::Array(a)) => {
                let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                a.iter().map(text).collect::<Vec<_>>().join(", ")
            }
            Some(v) => v.to_string(),
            None => String::new(),
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn phase(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// A role in words.
pub fn role(role: v1::Role) -> &'static str {
    match role {
        v1::Role::ControlPlane => "controlplane",
        v1::Role::ControlPlaneIngress => "controlplane-ingress",
        v1::Role::ApiServer => "apiserver",
        v1::Role::Unspecified => "unknown",
    }
}

/// A cluster as a row.
pub fn cluster(c: &v1::Cluster) -> Value {
    let spec = c.spec.clone().unwrap_or_default();
    json!({
        "name": c.name, "version": spec.kubernetes_version,
        "phase": phase(c.phase().as_str_name(), "CLUSTER_PHASE_"),
        "endpoint": c.endpoint, "ingresses": c.ingresses, "ready": format!("{}/{}", c.ready_nodes, c.nodes),
        "podCidr": spec.pod_cidr, "serviceCidr": spec.service_cidr,
        "upgradeTo": c.upgrade_to, "deleteAt": moment(c.delete_at_ms),
        "uid": c.uid, "caCertificate": c.ca_certificate,
        "vpnCidr": c.tunnel.as_ref().map(|tunnel| tunnel.cidr.clone()).unwrap_or_default(),
        "rotation": c.rotation.as_ref().map(rotation).unwrap_or_default(),
    })
}

fn rotation(r: &v1::Rotation) -> String {
    let stage = phase(r.stage().as_str_name(), "ROTATION_STAGE_");
    match r.nodes_behind {
        0 => stage,
        n => format!("{stage}, {n} to go"),
    }
}

/// A node as a row.
pub fn node(n: &v1::Node) -> Value {
    json!({
        "cluster": n.cluster, "name": n.name, "role": role(n.role()),
        "phase": phase(n.phase().as_str_name(), "NODE_PHASE_"),
        "hypervisor": n.hypervisor, "generation": n.generation, "restarts": n.restarts,
        "ports": n.ports.iter().collect::<std::collections::BTreeMap<_, _>>(),
        "versions": n.versions.iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

/// A hypervisor as a row.
pub fn hypervisor(h: &v1::Hypervisor) -> Value {
    let spec = h.spec.clone().unwrap_or_default();
    json!({
        "name": spec.name, "reach": phase(h.reach().as_str_name(), "REACH_"),
        "public": spec.public, "cordoned": h.cordoned, "nodes": h.nodes,
        "leftovers": h.orphans,
        "sharedPorts": h.shared_ports,
        "routes": h.routes.iter().map(route).collect::<Vec<_>>(),
        "address": spec.address, "ports": format!("{}-{}", spec.port_low, spec.port_high),
        "endpoint": spec.cri_endpoint, "detail": h.detail,
    })
}

/// A way through a port that clusters share.
fn route(r: &v1::Route) -> String {
    format!("{}:{} → {}/{}", r.name, r.port, r.cluster, r.node)
}

/// A backup as a row.
pub fn backup(b: &v1::Backup) -> Value {
    json!({
        "id": b.id, "phase": phase(b.phase().as_str_name(), "BACKUP_PHASE_"),
        "started": moment(b.started_ms), "position": b.position, "bytes": b.bytes,
        "sha256": b.sha256, "object": b.object,
    })
}

/// A client certificate as a row.
pub fn kubeconfig(k: &v1::Kubeconfig) -> Value {
    json!({
        "serial": k.serial, "user": k.user, "groups": k.groups.join(","),
        "notAfter": moment(k.not_after_ms),
    })
}

/// A join token without its secret part, as a row.
pub fn join_token(t: &v1::JoinToken) -> Value {
    json!({"id": t.id, "expires": moment(t.expires_ms), "description": t.description})
}

/// All that a machine needs to join, as a row.
pub fn open_token(t: &v1::GetJoinTokenResponse, kubeadm: &str) -> Value {
    let about = t.token.clone().unwrap_or_default();
    json!({
        "token": t.secret, "endpoint": t.endpoint, "expires": moment(about.expires_ms),
        "description": about.description, "caHashes": t.authority_hashes.join(","),
        "caCertificate": t.authorities, "kubeadm": kubeadm,
    })
}

/// A cluster's tunnel, a row for each link.
pub fn links(cluster: &str, tunnel: &v1::Tunnel) -> Vec<Value> {
    let row = |l: &v1::TunnelLink| {
        let kind = if l.control_plane { "control-plane" } else { "worker" };
        json!({
            "name": l.name, "kind": kind, "address": l.address, "since": moment(l.since_ms),
            "cluster": cluster, "cidr": tunnel.cidr, "hub": tunnel.hub,
        })
    };
    tunnel.links.iter().map(row).collect()
}

/// The ways to a cluster through a hypervisor's shared ports, with who else shares them.
pub fn routes(h: &v1::Hypervisor, cluster: &v1::Cluster) -> Vec<Value> {
    let spec = h.spec.clone().unwrap_or_default();
    let name = &cluster.name;
    let own = h.routes.iter().filter(|r| r.cluster == *name);
    let row = |r: &v1::Route| {
        let others = h.routes.iter().filter(|o| o.port == r.port && o.cluster != *name);
        let others: BTreeSet<_> = others.map(|o| o.cluster.as_str()).collect();
        let others: Vec<_> = others.into_iter().collect();
        json!({
            "ingress": r.node, "hypervisor": spec.name,
            "listens": SocketText(&spec.address, r.port).to_string(), "leadsTo": r.to,
            "sharedWith": others.join(","),
        })
    };
    own.map(row).collect()
}

/// An address with a port.
struct SocketText<'a>(&'a str, u32);

impl std::fmt::Display for SocketText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let brackets = if self.0.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}{}{}:{}", brackets.0, self.0, brackets.1, self.1)
    }
}

/// Where a cluster is reached: a row for each way through a shared port, or for each ingress
/// where there is none.
pub fn endpoint(c: &v1::Cluster, routes: Vec<Value>) -> Vec<Value> {
    let own = c.own_endpoint.as_ref();
    let kind = match own {
        None => "ingress",
        Some(e) if e.forwarded => "forwarded",
        Some(_) => "shared",
    };
    let direct = || {
        c.ingresses.iter().map(|at| {
            json!({
                "ingress": "", "hypervisor": "", "listens": at, "leadsTo": at, "sharedWith": "",
            })
        })
    };
    let rows = if routes.is_empty() { direct().collect() } else { routes };
    let with = |mut row: Value| {
        row["endpoint"] = json!(c.endpoint);
        row["kind"] = json!(kind);
        row
    };
    rows.into_iter().map(with).collect()
}

/// Who says who a cluster's users are.
pub fn issuers(c: &v1::Cluster) -> Vec<Value> {
    let Some(authentication) = &c.authentication else { return Vec::new() };
    let mapped = |m: Option<&v1::ClaimMapping>| {
        m.map(|m| format!("{}{}", m.prefix, m.claim)).unwrap_or_default()
    };
    let row = |i: &v1::Issuer| {
        let required = i.required_claims.iter().map(|r| format!("{}={}", r.claim, r.value));
        json!({
            "issuer": i.url, "audiences": i.audiences.join(","),
            "username": mapped(i.username.as_ref()), "groups": mapped(i.groups.as_ref()),
            "required": required.collect::<Vec<_>>().join(","),
            "discovery": i.discovery_url, "ownAuthority": !i.certificate_authority.is_empty(),
            "serversBehind": authentication.servers_behind,
        })
    };
    authentication.issuers.iter().map(row).collect()
}

/// What is kept inside of a cluster, as a row.
pub fn addons(c: &v1::Cluster) -> Value {
    let kept = c.addons.unwrap_or_default();
    let cni = match c.addons.map(|a| a.cni()) {
        None => "",
        Some(v1::Cni::Flannel) => "flannel",
        Some(_) => "none",
    };
    json!({
        "cluster": c.name, "workers": c.addons.is_some(), "cni": cni, "kubeProxy": kept.kube_proxy,
        "dns": kept.dns, "configured": c.configured,
    })
}

/// What commands would do.
///
/// # Errors
/// Where nobody reads.
pub fn plan(format: Format, plan: &v1::PlanResponse) -> Result<(), Failure> {
    let event = |e: &v1::PlannedEvent| {
        json!({
            "event": e.event, "cluster": e.cluster, "node": e.node, "hypervisor": e.hypervisor,
            "restarts": e.restarts, "summary": e.summary,
        })
    };
    let job = |j: &v1::PlannedJob| {
        json!({
            "job": j.kind, "cluster": j.cluster, "node": j.node, "hypervisor": j.hypervisor,
            "waits": j.waits,
        })
    };
    let events: Vec<Value> = plan.events.iter().map(event).collect();
    let jobs: Vec<Value> = plan.jobs.iter().map(job).collect();
    if format != Format::Table {
        let whole = json!({
            "position": plan.position, "refused": plan.refused, "message": plan.message,
            "events": events, "jobs": jobs,
        });
        return rows(format, vec![whole], true);
    }
    print(&format!("at log position {} (--expect-position)\n\n", plan.position))?;
    rows(format, events, false)?;
    print("\n")?;
    rows(format, jobs, false)
}

pub fn job_state(j: &v1::Job) -> &'static str {
    match j.state() {
        v1::JobState::Unspecified => "",
        v1::JobState::Due => "due",
        v1::JobState::Paused => "paused",
        v1::JobState::DeadLettered => "dead-lettered",
        v1::JobState::Done => "done",
        v1::JobState::Obsolete => "obsolete",
    }
}

/// What happened to a job as rows: what made it owed first, then each attempt.
pub fn attempts(found: &v1::GetJobResponse) -> Vec<Value> {
    let cause = found.cause.iter().map(|c| {
        json!({
            "position": c.position, "time": moment(c.time_ms), "event": c.command,
            "actor": c.actor, "commandId": c.command_id, "tookMs": 0, "message": "",
        })
    });
    let attempts = found.attempts.iter().map(|a| {
        json!({
            "position": a.position, "time": moment(a.time_ms), "event": a.event,
            "actor": a.actor, "commandId": "", "tookMs": a.took_ms, "message": a.message,
        })
    });
    cause.chain(attempts).collect()
}

/// A job as a row.
pub fn job(j: &v1::Job) -> Value {
    json!({
        "id": j.id, "hypervisor": j.hypervisor, "state": job_state(j), "failures": j.failures,
        "retryAt": moment(j.retry_at_ms), "message": j.message,
    })
}

/// A refusal as a row.
pub fn rejection(r: &v1::Rejection) -> Value {
    json!({
        "number": r.number, "time": moment(r.time_ms), "source": r.source, "actor": r.actor,
        "command": r.command, "commandId": r.command_id, "code": r.code, "message": r.message,
    })
}

/// An event as a row.
pub fn event(e: &v1::WatchResponse) -> Value {
    json!({
        "position": e.position, "time": moment(e.time_ms), "actor": e.actor,
        "commandId": e.command_id, "command": e.command, "event": e.event, "cluster": e.cluster,
        "node": e.node, "hypervisor": e.hypervisor, "job": e.job, "summary": e.summary,
        "resumeToken": e.resume_token,
    })
}

/// RFC 3339 in UTC; empty for 0.
pub fn moment(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().filter(|ms| *ms > 0);
    timestamp
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map(|t| t.to_string())
        .unwrap_or_default()
}

/// An event as a line of progress.
pub fn step(e: &v1::WatchResponse) -> String {
    let about = if e.node.is_empty() { String::new() } else { format!("/{}", e.node) };
    let step = e.job.rsplit('.').next().filter(|step| !step.is_empty());
    let job = step.map(|step| format!(" {step}")).unwrap_or_default();
    format!("{}{about}{job}: {}", e.cluster, e.summary)
}
