//! Flags of `oi cluster …`.

use super::settings::parse_endpoint;
use super::{AuthenticationFlags, EndpointFlags, Output, parse_duration};
use clap::{Args, Subcommand, ValueEnum};
use oi_proto::manifest::{self, EndpointSpec};
use std::time::Duration;

#[derive(Args)]
pub struct ClusterFlags {
    /// Its name.
    #[arg(long)]
    pub name: String,
    /// The Kubernetes release of its components.
    #[arg(long, default_value = "v1.36.3")]
    pub kubernetes_version: String,
    /// Addresses of pods.
    #[arg(long, default_value = "10.244.0.0/16")]
    pub pod_cidr: String,
    /// Addresses of Services.
    #[arg(long, default_value = "10.96.0.0/12")]
    pub service_cidr: String,
    /// The cluster's DNS domain.
    #[arg(long, default_value = "cluster.local")]
    pub dns_domain: String,
    /// More names or addresses for the API server's certificate.
    #[arg(long, value_delimiter = ',')]
    pub apiserver_extra_sans: Vec<String>,
    /// The network of its pods; none for one of your own.
    #[arg(long, value_enum, default_value_t = Cni::Flannel)]
    pub cni: Cni,
    /// Keep kube-proxy in it, which makes Services reachable.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub kube_proxy: bool,
    /// Keep CoreDNS in it, which gives Services names.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    pub dns: bool,
    /// Keep nothing in it: a cluster that has no worker nodes.
    #[arg(long, conflicts_with_all = ["cni", "kube_proxy", "dns"])]
    pub no_workers: bool,
    /// Link worker nodes to the control plane through a tunnel: they may be behind NAT.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, conflicts_with = "no_workers")]
    pub vpn_enabled: bool,
    /// Addresses in that tunnel.
    #[arg(long, default_value = "10.254.0.0/16")]
    pub vpn_cidr: String,
    #[command(flatten)]
    pub endpoint: EndpointFlags,
    #[command(flatten)]
    pub authentication: AuthenticationFlags,
    /// Add so many control-plane nodes, cp-1 and on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub control_plane_replicas: u8,
    /// Add so many ingress nodes, lb-1 and on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub ingress_replicas: u8,
}

/// The network of a cluster's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cni {
    /// None of oi's.
    None,
    /// flannel, with VXLAN between nodes.
    Flannel,
}

impl From<Cni> for manifest::Cni {
    fn from(cni: Cni) -> manifest::Cni {
        match cni {
            Cni::None => manifest::Cni::None,
            Cni::Flannel => manifest::Cni::Flannel,
        }
    }
}

#[derive(Subcommand)]
pub enum Cluster {
    /// Add a cluster to the documents on stdin; print all of them.
    Inject(Box<ClusterFlags>),
    /// Create a cluster; refused where the name is taken.
    Create(Box<ClusterFlags>),
    /// All clusters.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One cluster.
    Get {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a cluster with all its nodes and data.
    Delete {
        /// Its name.
        name: String,
        /// Only stop it now, and delete it after this long, for example 24h; until then
        /// `undelete` brings it back.
        #[arg(long, value_parser = parse_duration)]
        grace: Option<Duration>,
        /// Forget what is left on hypervisors that are away; without this it is cleared
        /// when they are back.
        #[arg(long, conflicts_with = "grace")]
        forget_orphans: bool,
        /// Return when nothing of it is left.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Make a cluster what it was at a backup, or make another one of it.
    Restore {
        /// The cluster that the backup is of.
        name: String,
        /// Which backup; the newest where absent.
        #[arg(long)]
        backup: Option<String>,
        /// Leave it as it is, and make a new cluster of that name.
        #[arg(long = "as")]
        new_name: Option<String>,
        /// Control-plane nodes of the new cluster.
        #[arg(long, default_value_t = 1, requires = "new_name", value_parser = clap::value_parser!(u8).range(1..=7))]
        control_plane_replicas: u8,
        /// Ingress nodes of the new cluster.
        #[arg(long, default_value_t = 1, requires = "new_name", value_parser = clap::value_parser!(u8).range(1..=7))]
        ingress_replicas: u8,
        /// Return when it runs.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
    },
    /// Run other numbers of a cluster's components; etcd is not touched.
    #[command(group = clap::ArgGroup::new("count").required(true).multiple(true))]
    Scale {
        /// Its name.
        name: String,
        /// How many API servers.
        #[arg(long, group = "count")]
        apiserver: Option<u32>,
        /// How many controller managers; at most as many as API servers.
        #[arg(long, group = "count")]
        controller_manager: Option<u32>,
        /// How many schedulers; at most as many as API servers.
        #[arg(long, group = "count")]
        scheduler: Option<u32>,
        /// Return when it is so.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Say what is kept inside of a cluster for worker nodes; without flags, show it. What is
    /// not said stays, or is on where nothing was kept before.
    Addons {
        /// Its name.
        name: String,
        /// The network of its pods; none for one of your own.
        #[arg(long, value_enum)]
        cni: Option<Cni>,
        /// kube-proxy, which makes Services reachable.
        #[arg(long)]
        kube_proxy: Option<bool>,
        /// CoreDNS, which gives Services names.
        #[arg(long)]
        dns: Option<bool>,
        /// Return when it is so.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// The tunnel between a cluster's worker nodes and its control plane: who has a link, and
    /// with which address. With --cidr: let it have one, for good.
    Tunnel {
        /// Its name.
        name: String,
        /// Addresses in the tunnel, an IPv4 CIDR.
        #[arg(long)]
        cidr: Option<String>,
        /// Return when it is so.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Where clients are told to reach a cluster's API, and which hypervisors pass it through on
    /// ports that clusters share. With an endpoint: let it be that.
    Endpoint {
        /// Its name.
        name: String,
        /// A name or address, with 6443 or another port.
        #[arg(value_name = "HOST[:PORT]", value_parser = parse_endpoint)]
        endpoint: Option<EndpointSpec>,
        /// Something of yours leads from there to the ingresses: they open no further port.
        #[arg(long, requires = "endpoint")]
        forwarded: bool,
        /// Its oldest ingress is its endpoint again.
        #[arg(long, conflicts_with = "endpoint")]
        clear: bool,
        /// Return when it is so.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Who says who a cluster's users are, beside itself: OpenID Connect providers. With one, or
    /// a file of more: let it be those and no others.
    Authentication {
        /// Its name.
        name: String,
        #[command(flatten)]
        flags: Box<AuthenticationFlags>,
        /// Nobody beside itself.
        #[arg(long)]
        clear: bool,
        /// Return when all API servers know of it.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// Bring a cluster back that waits for its deletion.
    Undelete {
        /// Its name.
        name: String,
    },
    /// Bring a cluster's components to another release, one at a time.
    Upgrade {
        /// Its name.
        name: String,
        /// The release: at most one minor release up.
        #[arg(long, required_unless_present_any = ["pause", "resume", "rollback"])]
        to: Option<String>,
        /// Replace no further component for now.
        #[arg(long, conflicts_with_all = ["to", "resume", "rollback"])]
        pause: bool,
        /// Go on.
        #[arg(long, conflicts_with_all = ["to", "rollback"])]
        resume: bool,
        /// Back to the release before.
        #[arg(long, conflicts_with = "to")]
        rollback: bool,
        /// Return when all components run it.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
    },
    /// Replace a cluster's certificate authorities, in three steps: this one makes new
    /// ones, and lets all components trust both. Hand out new kubeconfigs after it, for
    /// those issued before are refused after the last step.
    RotateCa {
        /// Its name.
        name: String,
        /// The second step: the new ones sign, and all certificates are made anew.
        #[arg(long, conflicts_with_all = ["finish", "abort"])]
        switch: bool,
        /// The last step: the old ones are no longer trusted.
        #[arg(long, conflicts_with = "abort")]
        finish: bool,
        /// Instead of the second step: forget the new ones.
        #[arg(long)]
        abort: bool,
        /// Return when the step is done on all nodes.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 900)]
        timeout: u64,
    },
    /// Stop all that runs of a cluster, and keep its data.
    Hibernate {
        /// Its name.
        name: String,
        /// Return when nothing of it runs.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Run a hibernated cluster again.
    Wake {
        /// Its name.
        name: String,
        /// Return when all of it is ready.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// The client certificates that were issued for a cluster.
    Kubeconfigs {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Issue a client certificate, and print a kubeconfig with it.
    Kubeconfig {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// The host in the API's address.
        #[arg(long, default_value = "")]
        endpoint_host_override: String,
        /// User name.
        #[arg(long, default_value = "kubernetes-admin")]
        user: String,
        /// Group.
        #[arg(long, default_value = "system:masters")]
        group: String,
        /// How long it is valid, hours.
        #[arg(long, default_value_t = 8760)]
        hours: u64,
    },
}
