//! `oi cluster …`

use super::{backup, settings};
use crate::client::{Client, events_from};
use crate::error::Failure;
use crate::flags::Cluster;
use crate::{documents, output, reconcile};
use oi_proto::manifest::{self, EndpointSpec};
use oi_proto::v1::{self, submit_request::Command};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

pub async fn run(client: Client, command: Cluster) -> Result<(), Failure> {
    match command {
        Cluster::Inject(flags) => {
            let all =
                documents::inject(documents::read(Path::new("-"))?, documents::cluster(&flags)?)?;
            output::print(&manifest::write(&all)?)
        }
        Cluster::Create(flags) => {
            let all = documents::cluster(&flags)?;
            reconcile::check_feature_level(&client, all.iter()).await?;
            for document in all {
                for (done, command) in reconcile::commands(&document) {
                    client.submit(command).await?;
                    eprintln!("{done}");
                }
            }
            if flags.control_plane_replicas == 0 || flags.ingress_replicas == 0 {
                eprintln!("it needs nodes of both roles to be of use: see `oi node create --help`");
            }
            Ok(())
        }
        Cluster::List { output } => {
            let rows = client.clusters("").await?.iter().map(output::cluster).collect();
            output::rows(output.output, rows, false)
        }
        Cluster::Get { name, output } => {
            let found = client.cluster(&name).await?;
            output::rows(output.output, vec![output::cluster(&found)], true)
        }
        Cluster::Delete { name, grace: None, forget_orphans, wait, timeout } => {
            let command = v1::DeleteCluster { name, forget_orphans };
            delete(&client, command, wait.then_some(Duration::from_secs(timeout))).await
        }
        Cluster::Scale { name, apiserver, controller_manager, scheduler, wait, timeout } => {
            let command = v1::ScaleCluster {
                name: name.clone(),
                api_servers: apiserver,
                controller_managers: controller_manager,
                schedulers: scheduler,
            };
            client.submit(Command::ScaleCluster(command)).await?;
            wait_for(&client, &name, wait, timeout, ready).await
        }
        Cluster::Delete { name, grace: Some(grace), wait, timeout, .. } => {
            let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            let command = v1::ScheduleDeletion { name: name.clone(), grace_ms };
            client.submit(Command::ScheduleDeletion(command)).await?;
            eprintln!("cluster {name}: stops, and is deleted in {} s", grace.as_secs());
            wait_for(&client, &name, wait, timeout, stopped).await
        }
        Cluster::Addons { name, cni, kube_proxy, dns, wait, timeout, output } => {
            let found = client.cluster(&name).await?;
            if cni.is_none() && kube_proxy.is_none() && dns.is_none() {
                return output::rows(output.output, vec![output::addons(&found)], true);
            }
            let kept = found.addons.unwrap_or(v1::Addons {
                cni: v1::Cni::Flannel.into(),
                kube_proxy: true,
                dns: true,
            });
            let cni = cni.map_or(kept.cni(), |cni| manifest::Cni::from(cni).into());
            let addons = v1::Addons {
                cni: cni.into(),
                kube_proxy: kube_proxy.unwrap_or(kept.kube_proxy),
                dns: dns.unwrap_or(kept.dns),
            };
            let command = v1::SetAddons { cluster: name.clone(), addons: Some(addons) };
            client.submit(Command::SetAddons(command)).await?;
            wait_for(&client, &name, wait, timeout, |c, _| c.configured).await
        }
        Cluster::Tunnel { name, cidr: Some(cidr), wait, timeout, .. } => {
            let command = v1::EnableTunnel { cluster: name.clone(), cidr };
            client.submit(Command::EnableTunnel(command)).await?;
            wait_for(&client, &name, wait, timeout, |c, nodes| c.configured && ready(c, nodes))
                .await
        }
        Cluster::Tunnel { name, output, .. } => {
            let none = || {
                Failure::NotFound(format!(
                    "cluster {name} has no tunnel: `oi cluster tunnel {name} --cidr 10.254.0.0/16` makes one"
                ))
            };
            let tunnel = client.cluster(&name).await?.tunnel.ok_or_else(none)?;
            output::rows(output.output, output::links(&name, &tunnel), false)
        }
        Cluster::Endpoint { name, endpoint, forwarded, clear, wait, timeout, output } => {
            let wanted = endpoint.map(|e| EndpointSpec { forwarded, ..e });
            let wait = wait.then_some(timeout);
            settings::endpoint(&client, name, wanted, clear, wait, output).await
        }
        Cluster::Authentication { name, flags, clear, wait, timeout, output } => {
            let wait = wait.then_some(timeout);
            settings::authentication(&client, name, *flags, clear, wait, output).await
        }
        Cluster::Undelete { name } => {
            let command = v1::UndeleteCluster { name: name.clone() };
            client.submit(Command::UndeleteCluster(command)).await?;
            eprintln!("cluster {name}: stays, and runs again");
            Ok(())
        }
        Cluster::Hibernate { name, wait, timeout } => {
            let command = v1::HibernateCluster { name: name.clone(), hibernated: true };
            client.submit(Command::HibernateCluster(command)).await?;
            wait_for(&client, &name, wait, timeout, stopped).await
        }
        Cluster::Wake { name, wait, timeout } => {
            let command = v1::HibernateCluster { name: name.clone(), hibernated: false };
            client.submit(Command::HibernateCluster(command)).await?;
            wait_for(&client, &name, wait, timeout, ready).await
        }
        Cluster::Upgrade { name, to, pause, resume, rollback: _, wait, timeout } => {
            client.submit(upgrade(&name, to, pause, resume)).await?;
            let done = |c: &v1::Cluster, _: &[v1::Node]| c.upgrade_to.is_empty();
            wait_for(&client, &name, wait, timeout, done).await
        }
        Cluster::RotateCa { name, switch, finish, abort, wait, timeout } => {
            let (step, then) = match (switch, finish, abort) {
                (true, _, _) => {
                    (v1::RotationStep::Switch, "--finish ends the trust in the old ones")
                }
                (_, true, _) => (v1::RotationStep::Finish, "older kubeconfigs are refused"),
                (_, _, true) => (v1::RotationStep::Abort, "the new ones are forgotten"),
                _ => (v1::RotationStep::Start, "hand out new kubeconfigs, then --switch"),
            };
            let command = v1::RotateCa { name: name.clone(), step: step.into() };
            client.submit(Command::RotateCa(command)).await?;
            wait_for(&client, &name, wait, timeout, rotated).await?;
            eprintln!("cluster {name}: {then}");
            Ok(())
        }
        Cluster::Restore {
            name,
            backup,
            new_name,
            control_plane_replicas,
            ingress_replicas,
            wait,
            timeout,
        } => {
            let backup = backup::newest(&client, &name, backup).await?;
            let target = new_name.as_ref().unwrap_or(&name).clone();
            match new_name {
                None => {
                    let command = v1::RestoreCluster { name, backup };
                    client.submit(Command::RestoreCluster(command)).await?;
                }
                Some(new) => {
                    let replicas = (control_plane_replicas, ingress_replicas);
                    backup::clone(&client, &name, &new, backup, replicas).await?;
                }
            }
            wait_for(&client, &target, wait, timeout, backup::restored).await
        }
        Cluster::Kubeconfigs { cluster, output } => {
            let all = client.kubeconfigs(&cluster).await?;
            output::rows(output.output, all.iter().map(output::kubeconfig).collect(), false)
        }
        Cluster::Kubeconfig { cluster, endpoint_host_override, user, group, hours } => {
            let request = v1::CreateKubeconfigRequest {
                cluster,
                endpoint_host_override,
                user,
                groups: vec![group],
                lifetime_seconds: hours.saturating_mul(3600),
                actor: String::new(),
            };
            output::print(&client.kubeconfig(request).await?.kubeconfig)
        }
    }
}

fn upgrade(name: &str, to: Option<String>, pause: bool, resume: bool) -> Command {
    let name = name.to_owned();
    if let Some(to) = to {
        return Command::UpgradeCluster(v1::UpgradeCluster { name, to });
    }
    let change = match (pause, resume) {
        (true, _) => v1::UpgradeChange::Pause,
        (_, true) => v1::UpgradeChange::Resume,
        _ => v1::UpgradeChange::RollBack,
    };
    Command::ChangeUpgrade(v1::ChangeUpgrade { name, change: change.into() })
}

fn rotated(c: &v1::Cluster, _: &[v1::Node]) -> bool {
    // The last stage ends with the rotation.
    let retires = |r: &v1::Rotation| r.stage() == v1::RotationStage::Retire;
    c.rotation.as_ref().is_none_or(|r| r.nodes_behind == 0 && !retires(r))
}

fn stopped(_: &v1::Cluster, nodes: &[v1::Node]) -> bool {
    nodes.iter().all(|n| n.phase() == v1::NodePhase::Stopped)
}

pub(super) fn ready(_: &v1::Cluster, nodes: &[v1::Node]) -> bool {
    nodes.iter().all(|n| n.phase() == v1::NodePhase::Ready)
}

/// Says what is owed, until it is done.
pub(super) async fn wait_for(
    client: &Client,
    name: &str,
    wait: bool,
    seconds: u64,
    done: impl Fn(&v1::Cluster, &[v1::Node]) -> bool,
) -> Result<(), Failure> {
    if !wait || client.is_planning() {
        return Ok(());
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut said = String::new();
    loop {
        let cluster = client.cluster(name).await?;
        if done(&cluster, &client.nodes(name).await?) {
            return Ok(());
        }
        let jobs = client.jobs(name).await?;
        let owed: Vec<_> =
            jobs.iter().map(|j| format!("{} {}", j.id, j.message).trim().to_owned()).collect();
        let owed = owed.join("; ");
        if Instant::now() >= end {
            return Err(Failure::TimedOut(format!(
                "cluster {name} is not there yet; owed: {owed}"
            )));
        }
        if owed != said && !owed.is_empty() {
            eprintln!("cluster {name}: {owed}");
            said = owed;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub(super) async fn delete(
    client: &Client,
    command: v1::DeleteCluster,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    let name = &command.name.clone();
    let position = client.submit(Command::DeleteCluster(command)).await?.position;
    let Some(limit) = wait.filter(|_| !client.is_planning()) else {
        eprintln!("cluster {name}: deletion started");
        return Ok(());
    };
    let end = Instant::now() + limit;
    let mut next = position;
    while !client.clusters(name).await?.is_empty() {
        let mut events = client.watch(events_from(next, name)).await?;
        loop {
            match tokio::time::timeout_at(end, events.message()).await {
                Err(_) => return Err(not_gone(client, name).await?),
                Ok(Ok(Some(event))) => {
                    next = event.position + 1;
                    eprintln!("{}", output::step(&event));
                    if event.event == "ClusterDeleted" {
                        return Ok(());
                    }
                }
                // The server went away: look again, from where we were.
                Ok(_) => break,
            }
        }
    }
    Ok(())
}

async fn not_gone(client: &Client, name: &str) -> Result<Failure, Failure> {
    let jobs = client.jobs(name).await?;
    let why: Vec<_> = jobs.iter().map(|j| format!("{} {}", j.id, j.message)).collect();
    let why = why.join("; ");
    Ok(Failure::TimedOut(format!("cluster {name} is still being deleted; owed: {why}")))
}
