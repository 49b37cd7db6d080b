//! `oi cluster kubeconfig` and `oi cluster kubeconfigs`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::{self, Output, moment};
use clap::Args;
use oi_proto::v1;
use serde_json::{Value, json};

/// The client certificates that were issued for a cluster.
#[derive(Args)]
pub struct Kubeconfigs {
    /// The cluster.
    #[arg(long)]
    cluster: String,
    #[command(flatten)]
    output: Output,
}

impl Kubeconfigs {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let request = v1::ListKubeconfigsRequest { cluster: self.cluster };
        let reply = client.call(request, async |mut api, r| api.list_kubeconfigs(r).await);
        self.output.list(reply.await?.kubeconfigs.iter().map(row))
    }
}

fn row(k: &v1::Kubeconfig) -> Value {
    json!({
        "serial": k.serial, "user": k.user, "groups": k.groups.join(","),
        "notAfter": moment(k.not_after_ms),
    })
}

/// Issue a client certificate, and print a kubeconfig with it.
#[derive(Args)]
pub struct Kubeconfig {
    /// The cluster.
    #[arg(long)]
    cluster: String,
    /// The host in the API's address.
    #[arg(long, default_value = "")]
    endpoint_host_override: String,
    /// User name.
    #[arg(long, default_value = "kubernetes-admin")]
    user: String,
    /// Group. Nobody in the cluster can take its rights from system:masters.
    #[arg(long, default_value = "kubeadm:cluster-admins")]
    group: String,
    /// How long it is valid, hours.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    hours: u64,
}

impl Kubeconfig {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        if client.is_planning() {
            return Err(Failure::Input(
                "issuing a kubeconfig cannot be planned: it changes nothing that runs".to_owned(),
            ));
        }
        let request = v1::CreateKubeconfigRequest {
            cluster: self.cluster,
            endpoint_host_override: self.endpoint_host_override,
            user: self.user,
            groups: vec![self.group],
            lifetime_seconds: self.hours.saturating_mul(3600),
            actor: client.actor().to_owned(),
        };
        let reply = client.call(request, async |mut api, r| api.create_kubeconfig(r).await);
        output::print(&reply.await?.kubeconfig)
    }
}
