//! `oi cluster create` and `oi cluster inject`.

use super::addons::Cni;
use super::authentication::AuthenticationFlags;
use super::endpoint::EndpointFlags;
use crate::client::Client;
use crate::declare::{self, Step};
use crate::error::Failure;
use crate::feature_level;
use clap::Args;
use oi_events::{ClusterName, KubernetesVersion};
use oi_proto::manifest::{
    AddonsSpec, ClusterSpec, Document, Metadata, Networking, NodeRole, NodeSpec, TunnelSpec,
};
use oi_proto::v1::{self, submit_request::Command};

#[derive(Args)]
pub struct ClusterFlags {
    /// Its name.
    #[arg(long)]
    name: String,
    /// The Kubernetes release of its components.
    #[arg(long, default_value = "v1.36.3")]
    kubernetes_version: String,
    /// Addresses of pods.
    #[arg(long, default_value = "10.244.0.0/16")]
    pod_cidr: String,
    /// Addresses of Services.
    #[arg(long, default_value = "10.96.0.0/12")]
    service_cidr: String,
    /// The cluster's DNS domain.
    #[arg(long, default_value = "cluster.local")]
    dns_domain: String,
    /// More names or addresses for the API server's certificate.
    #[arg(long, value_delimiter = ',')]
    apiserver_extra_sans: Vec<String>,
    /// The network of its pods; none for one of your own.
    #[arg(long, value_enum, default_value_t = Cni::Flannel)]
    cni: Cni,
    /// Keep kube-proxy in it, which makes Services reachable.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    kube_proxy: bool,
    /// Keep CoreDNS in it, which gives Services names.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    dns: bool,
    /// Keep nothing in it: a cluster that has no worker nodes.
    #[arg(long, conflicts_with_all = ["cni", "kube_proxy", "dns"])]
    no_workers: bool,
    /// Link worker nodes to the control plane through a tunnel: they may be behind NAT.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, conflicts_with = "no_workers")]
    vpn_enabled: bool,
    /// Addresses in that tunnel.
    #[arg(long, default_value = "10.254.0.0/16")]
    vpn_cidr: String,
    #[command(flatten)]
    endpoint: EndpointFlags,
    #[command(flatten)]
    authentication: AuthenticationFlags,
    /// Add so many control-plane nodes, cp-1 and on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=7))]
    control_plane_replicas: u8,
    /// Add so many ingress nodes, lb-1 and on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=7))]
    ingress_replicas: u8,
}

#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    flags: ClusterFlags,
    /// Make it of a snapshot of an etcd that oi did not run: a file of etcdctl, which somebody has
    /// put as imports/NAME/FILE into the backup store. Release, networks and DNS domain must be
    /// those of the cluster that it is of; its Secrets must not be encrypted.
    #[arg(long, value_name = "FILE", conflicts_with = "vpn_enabled")]
    from_snapshot: Option<String>,
    /// The SHA-256 of that file, beside the checksum that etcd has put at its end.
    #[arg(long, requires = "from_snapshot")]
    sha256: Option<String>,
}

/// The names and roles of a new cluster's nodes.
pub fn nodes(control_planes: u8, ingresses: u8) -> impl Iterator<Item = (String, NodeRole)> {
    let roles = [
        ("cp", NodeRole::ControlPlane, control_planes),
        ("lb", NodeRole::ControlPlaneIngress, ingresses),
    ];
    roles
        .into_iter()
        .flat_map(|(prefix, role, n)| (1..=n).map(move |n| (format!("{prefix}-{n}"), role)))
}

impl ClusterFlags {
    fn spec(&self) -> Result<ClusterSpec, Failure> {
        Ok(ClusterSpec {
            kubernetes_version: self.kubernetes_version.clone(),
            networking: Networking {
                pod_cidr: self.pod_cidr.clone(),
                service_cidr: self.service_cidr.clone(),
                dns_domain: self.dns_domain.clone(),
            },
            extra_sans: self.apiserver_extra_sans.clone(),
            addons: (!self.no_workers).then_some(AddonsSpec {
                cni: self.cni.into(),
                kube_proxy: self.kube_proxy,
                dns: self.dns,
            }),
            endpoint: self.endpoint.spec(),
            authentication: self.authentication.spec()?,
            tunnel: self.vpn_enabled.then(|| TunnelSpec { cidr: self.vpn_cidr.clone() }),
        })
    }

    /// The cluster's document, and those of the nodes that come with it.
    pub fn documents(&self) -> Result<Vec<Document>, Failure> {
        self.name.parse::<ClusterName>()?;
        self.kubernetes_version.parse::<KubernetesVersion>()?;
        let cluster = Document::Cluster(Metadata { name: self.name.clone() }, self.spec()?);
        let node = |(name, role)| {
            let spec = NodeSpec { cluster: self.name.clone(), role, hypervisor: None };
            Document::Node(Metadata { name }, spec)
        };
        let nodes = nodes(self.control_plane_replicas, self.ingress_replicas).map(node);
        Ok(std::iter::once(cluster).chain(nodes).collect())
    }

    /// Warns of what is allowed and of no use.
    pub fn warn(&self) {
        let warning = declare::even_members(&self.name, self.control_plane_replicas.into());
        if let Some(warning) = warning {
            eprintln!("{warning}");
        }
    }
}

impl Create {
    /// The same command, but for where its data comes from.
    fn with_data(&self, command: Command) -> Command {
        match (command, &self.from_snapshot) {
            (Command::CreateCluster(v1::CreateCluster { name, spec, .. }), Some(file)) => {
                let (file, sha256) = (file.clone(), self.sha256.clone().unwrap_or_default());
                v1::ImportCluster { name, spec, file, sha256 }.into()
            }
            (command, _) => command,
        }
    }

    /// Creates it with its nodes, or nothing of it.
    pub async fn create(&self, client: &Client) -> Result<(), Failure> {
        let steps = self.flags.documents()?;
        let steps = steps.iter().flat_map(declare::steps);
        let steps: Vec<Step> =
            steps.map(|step| Step { command: self.with_data(step.command), ..step }).collect();
        feature_level::check(client, &steps).await?;
        self.flags.warn();
        if !client.is_planning() {
            let commands = steps.iter().map(|step| step.command.clone());
            Failure::of_plan(client.plan_of(commands).await?)?;
        }
        for step in steps {
            client.submit(step.command).await?;
            eprintln!("{}", step.done);
        }
        if self.flags.control_plane_replicas == 0 || self.flags.ingress_replicas == 0 {
            eprintln!("it needs nodes of both roles to be of use: see `oi node create --help`");
        }
        Ok(())
    }
}
