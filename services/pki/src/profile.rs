//! What a leaf certificate says, as kubeadm 1.36 writes it.

use std::net::IpAddr;

/// What a certificate may be used for (extended key usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS server.
    Server,
    /// TLS client.
    Client,
    /// Both, for etcd.
    Both,
}

/// Subject, names and usage of a leaf certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProfile {
    /// CN: the user name of a client.
    pub common_name: String,
    /// O: the groups of a client.
    pub organizations: Vec<String>,
    /// DNS subject alternative names.
    pub dns_names: Vec<String>,
    /// IP subject alternative names.
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

    /// The API server towards its clients.
    pub fn kube_apiserver(dns_names: Vec<String>, ip_addresses: Vec<IpAddr>) -> Self {
        LeafProfile {
            common_name: "kube-apiserver".to_owned(),
            organizations: Vec::new(),
            dns_names,
            ip_addresses,
            usage: Usage::Server,
        }
    }

    /// The API server towards kubelets.
    pub fn apiserver_kubelet_client() -> Self {
        Self::client("kube-apiserver-kubelet-client", &["kubeadm:cluster-admins"])
    }

    /// The API server towards etcd.
    pub fn apiserver_etcd_client() -> Self {
        Self::client("kube-apiserver-etcd-client", &[])
    }

    /// etcd towards clients, or towards peers: the same form.
    pub fn etcd_member(member: &str, ip_addresses: Vec<IpAddr>) -> Self {
        LeafProfile {
            common_name: member.to_owned(),
            organizations: Vec::new(),
            dns_names: vec![member.to_owned(), "localhost".to_owned()],
            ip_addresses,
            usage: Usage::Both,
        }
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
}
