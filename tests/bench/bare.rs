//! The floor: the same pods, started by nothing but CRI calls. Keys and files are made
//! and images are there before the clock starts; all containers start at once.

use crate::Result;
use crate::ready::{Entry, User};
use oi_cri::{CriClient, Endpoint, PodSpec, ensure_container, ensure_sandbox, remove_pods};
use oi_decider::SealingMint;
use oi_domain::{Context, State, apply, decide};
use oi_events::*;
use oi_helper::FileOp;
use oi_pki::{DataKey, LeafProfile, certificate_pem, private_key_pem};
use oi_worker::desired::{NodeContext, Secrets, control_plane, etcd, ingress};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

/// A cluster that was decided on, but that no platform runs.
pub struct Bare {
    state: State,
    key: DataKey,
    cluster: ClusterName,
    pods: Vec<(CriClient, PodSpec)>,
}

/// The flags of the bare start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// The platform's.
    Same,
    /// kubeadm's: the controller manager limits itself to 20 requests a second.
    Kubeadm,
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Decides a command and folds what comes of it.
fn take(state: &mut State, key: &DataKey, command: Command) -> Result<()> {
    let (id, now_ms) = (CommandId(Uuid::now_v7()), now_ms());
    let envelope = CommandEnvelope::new(id, "bench", now_ms, command.clone());
    let mint = SealingMint { key: Some(key.clone()), source: None, now_ms, leaf_life_ms: YEAR_MS };
    let events = decide(state, &envelope, &Context { now_ms, mint: &mint, begins: None })?;
    let (actor, previous) = (envelope.actor, state.head);
    let header = CommitHeader { command_id: id, correlation: id, actor, time_ms: now_ms, previous };
    let commit = Commit { header, command, events };
    let hash = commit.header.hash("bench", &commit.encode_body()?);
    let recorded = RecordedCommit { position: state.position + 1, commit, hash };
    apply(state, &recorded);
    Ok(())
}

impl Bare {
    /// Decides, mints, writes files, pulls images.
    pub async fn prepare(hypervisors: &[RegisterHypervisorV1], flags: Flags) -> Result<Bare> {
        let (mut state, key) = (State::default(), DataKey::generate()?);
        let cluster: ClusterName = "bare".parse()?;
        for h in hypervisors {
            take(&mut state, &key, h.clone().into())?;
        }
        let create = CreateClusterV1 {
            name: cluster.clone(),
            spec: oi_events::ClusterSpec {
                kubernetes_version: "v1.36.3".parse()?,
                pod_cidr: "10.244.0.0/16".to_owned(),
                service_cidr: "10.96.0.0/12".to_owned(),
                dns_domain: "cluster.local".to_owned(),
                extra_sans: Vec::new(),
            },
        };
        take(&mut state, &key, create.into())?;
        let roles = [("cp-1", Role::ControlPlane), ("lb-1", Role::ControlPlaneIngress)];
        for (name, role) in roles {
            let add =
                AddNodeV1 { cluster: cluster.clone(), name: name.parse()?, role, hypervisor: None };
            take(&mut state, &key, add.into())?;
        }
        let mut bare = Bare { state, key, cluster, pods: Vec::new() };
        for (name, _) in roles {
            bare.describe(&name.parse()?).await?;
        }
        if flags == Flags::Kubeadm {
            for container in bare.pods.iter_mut().flat_map(|(_, pod)| &mut pod.containers) {
                container.command.retain(|arg| !arg.starts_with("--kube-api-"));
            }
        }
        Ok(bare)
    }

    async fn describe(&mut self, node: &NodeName) -> Result<()> {
        let ctx = NodeContext::find(&self.state, &self.cluster, node).ok_or("no such node")?;
        let secrets = Secrets { ctx: &ctx, key: &self.key };
        let described = match ctx.node.role {
            Role::ControlPlane => {
                let initial_cluster = etcd::member_entry(&ctx)?;
                let joining = etcd::Joining { initial_cluster, state: "new" };
                vec![etcd::pod(&ctx, &secrets, &joining)?, control_plane::pod(&ctx, &secrets)?]
            }
            Role::ControlPlaneIngress => vec![ingress::pod(&ctx, &secrets)?],
            Role::ApiServer => vec![control_plane::pod(&ctx, &secrets)?],
        };
        let spec = &ctx.hypervisor.spec;
        let client = CriClient::new(&Endpoint::parse(&spec.cri_endpoint, None)?)?;
        for (pod, files) in described {
            oi_helper::apply(Path::new(&spec.data_dir), &files)?;
            for container in &pod.containers {
                client.ensure_image(&container.image).await?;
            }
            self.pods.push((client.clone(), pod));
        }
        Ok(())
    }

    /// Starts all at once. What ends is started again: nobody else would.
    pub async fn run(&self) -> Result<()> {
        let pods = self.pods.iter().map(|(client, pod)| async move {
            let sandbox = ensure_sandbox(client, pod).await?;
            let start = |c| ensure_container(client, &sandbox, pod, c);
            futures::future::try_join_all(pod.containers.iter().map(start)).await
        });
        futures::future::try_join_all(pods).await?;
        Ok(())
    }

    /// What keeps it running until it is dropped.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            // The next round sees what this one did not.
            drop(self.run().await);
        }
    }

    /// Where its API is, and an administrator.
    pub fn entry(&self) -> Result<Entry> {
        let cluster = &self.state.clusters[&self.cluster];
        let (name, _) = cluster.ingresses().first().copied().ok_or("no ingress")?;
        let ctx = NodeContext::find(&self.state, &self.cluster, name).ok_or("no ingress")?;
        let ca = &cluster.credentials["ca"];
        let secrets = Secrets { ctx: &ctx, key: &self.key };
        let profile = LeafProfile::client("bench", &["system:masters"]);
        let admin =
            oi_pki::issue(&ca.public, &secrets.private("ca")?, &profile, now_ms(), YEAR_MS)?;
        let user = User {
            certificate: certificate_pem(&admin.certificate),
            key: private_key_pem(&admin.key).to_string(),
        };
        Entry::new(ctx.address(PortUse::ApiServer)?, &certificate_pem(&ca.public), Some(&user))
    }

    /// Leaves nothing.
    pub async fn remove(&self) -> Result<()> {
        for (client, pod) in &self.pods {
            remove_pods(client, &pod.identity, Duration::ZERO).await?;
        }
        for h in self.state.hypervisors.values() {
            let uid = self.state.clusters[&self.cluster].uid;
            let path = format!("{}/clusters/{uid}", h.spec.data_dir);
            oi_helper::apply(Path::new(&h.spec.data_dir), &[FileOp::Remove { path }])?;
        }
        Ok(())
    }
}
