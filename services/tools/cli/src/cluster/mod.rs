//! `oi cluster …`: a file for each verb, or for verbs that belong together.

mod addons;
mod authentication;
mod create;
pub mod delete;
mod endpoint;
mod extra_sans;
mod hibernate;
mod kubeconfig;
pub mod restore;
mod rotate_ca;
mod scale;
mod tenant;
mod tunnel;
mod upgrade;

use crate::client::Client;
use crate::error::Failure;
use crate::manifest::inject;
use crate::output::{Output, moment, word};
use clap::Subcommand;
use oi_proto::v1;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum ClusterVerb {
    /// Add a cluster to the documents on stdin; print all of them.
    Inject(Box<create::ClusterFlags>),
    /// Create a cluster; refused where the name is taken.
    Create(Box<create::Create>),
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
    Delete(delete::Delete),
    Restore(restore::Restore),
    Scale(scale::Scale),
    Tenant(tenant::Tenant),
    Addons(addons::Addons),
    Tunnel(tunnel::Tunnel),
    Endpoint(endpoint::Endpoint),
    ExtraSans(extra_sans::ExtraSans),
    Authentication(Box<authentication::Authentication>),
    Undelete(delete::Undelete),
    Upgrade(upgrade::Upgrade),
    RotateCa(rotate_ca::RotateCa),
    Hibernate(hibernate::Hibernate),
    Wake(hibernate::Wake),
    Kubeconfigs(kubeconfig::Kubeconfigs),
    Kubeconfig(kubeconfig::Kubeconfig),
}

pub async fn run(client: &Client, verb: ClusterVerb) -> Result<(), Failure> {
    match verb {
        ClusterVerb::Inject(flags) => {
            flags.warn();
            inject(flags.documents()?)
        }
        ClusterVerb::Create(flags) => flags.create(client).await,
        ClusterVerb::List { output } => output.list(client.clusters("").await?.iter().map(row)),
        ClusterVerb::Get { name, output } => {
            let cluster = client.cluster(&name).await?;
            if let Some(warning) = tunnel::needed(&cluster) {
                eprintln!("{warning}");
            }
            output.one(row(&cluster))
        }
        ClusterVerb::Delete(verb) => verb.run(client).await,
        ClusterVerb::Restore(verb) => verb.run(client).await,
        ClusterVerb::Scale(verb) => verb.run(client).await,
        ClusterVerb::Tenant(verb) => verb.run(client).await,
        ClusterVerb::Addons(verb) => verb.run(client).await,
        ClusterVerb::Tunnel(verb) => verb.run(client).await,
        ClusterVerb::Endpoint(verb) => verb.run(client).await,
        ClusterVerb::ExtraSans(verb) => verb.run(client).await,
        ClusterVerb::Authentication(verb) => verb.run(client).await,
        ClusterVerb::Undelete(verb) => verb.run(client).await,
        ClusterVerb::Upgrade(verb) => verb.run(client).await,
        ClusterVerb::RotateCa(verb) => verb.run(client).await,
        ClusterVerb::Hibernate(verb) => verb.run(client).await,
        ClusterVerb::Wake(verb) => verb.run(client).await,
        ClusterVerb::Kubeconfigs(verb) => verb.run(client).await,
        ClusterVerb::Kubeconfig(verb) => verb.run(client).await,
    }
}

pub fn row(c: &v1::Cluster) -> Value {
    let spec = c.spec.clone().unwrap_or_default();
    json!({
        "name": c.name, "version": spec.kubernetes_version,
        "phase": word(c.phase().as_str_name(), "CLUSTER_PHASE_"),
        "endpoint": c.endpoint, "ingresses": c.ingresses, "ready": format!("{}/{}", c.ready_nodes, c.nodes),
        "podCidr": spec.pod_cidr, "serviceCidr": spec.service_cidr,
        "upgradeTo": c.upgrade_to, "deleteAt": moment(c.delete_at_ms),
        "backupsUntil": moment(c.backups_until_ms),
        "uid": c.uid, "caCertificate": c.ca_certificate,
        "tunnelCidr": c.tunnel.as_ref().map(|tunnel| tunnel.cidr.clone()).unwrap_or_default(),
        "needsTunnel": c.needs_tunnel,
        "tenant": c.tenant,
        "rotation": c.rotation.as_ref().map(rotation).unwrap_or_default(),
    })
}

fn rotation(r: &v1::Rotation) -> String {
    let stage = word(r.stage().as_str_name(), "ROTATION_STAGE_");
    match r.nodes_behind {
        0 => stage,
        n => format!("{stage}, {n} to go"),
    }
}
