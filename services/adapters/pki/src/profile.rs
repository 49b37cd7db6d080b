//! What a leaf certificate says, as kubeadm 1.36 lays certificates out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a certificate may be used for (extended key usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS server.
    Server,
    /// TLS client.
    Client,
    /// Both: etcd's servers call themselves with their server certificate.
    Peer,
}

/// Subject, names and usage of a leaf certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProfile {
    /// CN: the user name of a client.
    pub common_name: String,
    /// O: the group of a client. More than one is refused when it is issued.
    pub organizations: Vec<String>,
    /// DNS subject alternative names. The certificate has each once, sorted.
    pub dns_names: Vec<String>,
    /// IP subject alternative names. The certificate has each once, sorted.
    pub ip_addresses: Vec<IpAddr>,
    /// Extended key usage.
    pub usage: Usage,
}

impl LeafProfile {
    /// A client certificate for a user with groups.
    pub fn client(common_name: &str, organizations: &[&str]) -> Self {
        LeafProfile {
            common_name: common_name.to_owned(),
            organizations: organizations.iter().map(|&o| o.to_owned()).collect(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            usage: Usage::Client,
        }
    }

    /// The API server towards its clients. Its names are the given ones and those
    /// that pods use in any cluster: `kubernetes`, `kubernetes.default`,
    /// `kubernetes.default.svc`. The caller adds `kubernetes.default.svc.<domain>`,
    /// the first Service address, the node and the endpoint.
    pub fn kube_apiserver(mut dns: Vec<String>, ips: Vec<IpAddr>) -> Self {
        let common = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        dns.extend(common.map(str::to_owned));
        let usage = Usage::Server;
        LeafProfile {
            dns_names: dns,
            ip_addresses: ips,
            usage,
            ..Self::client("kube-apiserver", &[])
        }
    }

    /// The API server towards kubelets. The user has its rights from a binding that the cluster's
    /// set-up makes.
    pub fn apiserver_kubelet_client() -> Self {
        Self::client("kube-apiserver-kubelet-client", &[])
    }

    /// The API server towards etcd.
    pub fn apiserver_etcd_client() -> Self {
        Self::client("kube-apiserver-etcd-client", &[])
    }

    /// etcd towards its clients. Its names are the given ones, the node's,
    /// `localhost` and the loopback addresses.
    pub fn etcd_server(node: &str, mut dns: Vec<String>, mut ips: Vec<IpAddr>) -> Self {
        dns.extend([node.to_owned(), "localhost".to_owned()]);
        ips.extend([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
        let usage = Usage::Peer;
        LeafProfile { dns_names: dns, ip_addresses: ips, usage, ..Self::client(node, &[]) }
    }

    /// etcd towards its peers: the same form as towards its clients.
    pub fn etcd_peer(node: &str, dns: Vec<String>, ips: Vec<IpAddr>) -> Self {
        Self::etcd_server(node, dns, ips)
    }

    /// Health checks of etcd, and changes of its membership.
    pub fn etcd_healthcheck_client() -> Self {
        Self::client("kube-etcd-healthcheck-client", &[])
    }

    /// The API server towards aggregated API servers.
    pub fn front_proxy_client() -> Self {
        Self::client("front-proxy-client", &[])
    }

    /// The controller manager; its rights come from RBAC's bootstrap policy.
    pub fn controller_manager() -> Self {
        Self::client("system:kube-controller-manager", &[])
    }

    /// The scheduler; its rights come from RBAC's bootstrap policy.
    pub fn scheduler() -> Self {
        Self::client("system:kube-scheduler", &[])
    }

    /// A cluster's first administrator, whose rights no RBAC rule can take away.
    pub fn admin() -> Self {
        Self::client("kubernetes-admin", &["system:masters"])
    }
}
