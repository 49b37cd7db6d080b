//! `oi cluster addons`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::Output;
use crate::wait::{self, Wait};
use clap::{Args, ValueEnum};
use oi_proto::{manifest, v1};
use serde_json::{Value, json};

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

/// Say what is kept inside of a cluster for worker nodes; without flags, show it. What is
/// not said stays, or is on where nothing was kept before.
#[derive(Args)]
pub struct Addons {
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
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    output: Output,
}

impl Addons {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let found = client.cluster(&self.name).await?;
        if self.cni.is_none() && self.kube_proxy.is_none() && self.dns.is_none() {
            return self.output.one(row(&found));
        }
        let addons = Some(self.changed(found.addons));
        client.submit(v1::SetAddons { cluster: self.name.clone(), addons }).await?;
        wait::for_cluster(client, &self.name, self.wait.limit(), |c, _| c.configured).await
    }

    /// What a cluster has, changed by the flags.
    fn changed(&self, have: Option<v1::Addons>) -> v1::Addons {
        let all = v1::Addons { cni: v1::Cni::Flannel.into(), kube_proxy: true, dns: true };
        let have = have.unwrap_or(all);
        let cni = self.cni.map_or(have.cni(), |cni| manifest::Cni::from(cni).into());
        v1::Addons {
            cni: cni.into(),
            kube_proxy: self.kube_proxy.unwrap_or(have.kube_proxy),
            dns: self.dns.unwrap_or(have.dns),
        }
    }
}

fn row(c: &v1::Cluster) -> Value {
    let addons = c.addons.unwrap_or_default();
    let cni = match c.addons.map(|a| a.cni()) {
        None => "",
        Some(v1::Cni::Flannel) => "flannel",
        Some(_) => "none",
    };
    json!({
        "cluster": c.name, "workers": c.addons.is_some(), "cni": cni,
        "kubeProxy": addons.kube_proxy, "dns": addons.dns, "configured": c.configured,
    })
}
