//! `oi join-token …`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::{self, Output, moment};
use crate::{duration, wait};
use clap::{Args, Subcommand, ValueEnum};
use oi_proto::v1;
use serde_json::{Value, json};
use std::time::Duration;

/// A part of what a machine needs to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The token.
    Token,
    /// host:port of the API.
    Endpoint,
    /// The authority's certificate, PEM.
    Ca,
    /// The command for kubeadm.
    Kubeadm,
}

#[derive(Args)]
pub struct Show {
    /// Print only this of it.
    #[arg(long, value_enum)]
    print: Option<Part>,
    #[command(flatten)]
    output: Output,
}

/// Make one; prints it with all else that a machine needs.
#[derive(Args)]
pub struct Create {
    /// The cluster.
    #[arg(long)]
    cluster: String,
    /// How long it can be used, for example 15m or 24h; at most 30d.
    #[arg(long, default_value = "24h", value_parser = duration::parse)]
    ttl: Duration,
    /// What it is for.
    #[arg(long, default_value = "")]
    description: String,
    /// How long to wait until the cluster knows it, seconds; 0 to not wait.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    #[command(flatten)]
    show: Show,
}

#[derive(Subcommand)]
pub enum JoinTokenVerb {
    Create(Create),
    /// One that exists, with its secret part.
    Get {
        /// Its id: what stands before the dot.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        show: Show,
    },
    /// Those of a cluster, without their secret parts.
    List {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Let nobody join with one any more; nodes that have joined stay.
    Revoke {
        /// Its id: what stands before the dot.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
    },
}

pub async fn run(client: &Client, verb: JoinTokenVerb) -> Result<(), Failure> {
    match verb {
        JoinTokenVerb::Create(create) => create.run(client).await,
        JoinTokenVerb::Get { id, cluster, show } => show.print(&get(client, cluster, id).await?),
        JoinTokenVerb::List { cluster, output } => {
            let request = v1::ListJoinTokensRequest { cluster };
            let reply = client.call(request, async |mut api, r| api.list_join_tokens(r).await);
            output.list(reply.await?.tokens.iter().map(row))
        }
        JoinTokenVerb::Revoke { id, cluster } => {
            client.submit(v1::RevokeJoinToken { cluster, token: id.clone() }).await?;
            eprintln!("join token {id}: revoked");
            Ok(())
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let command = v1::CreateJoinToken {
            cluster: self.cluster.clone(),
            expires_ms: 0,
            description: self.description,
            life_ms: duration::milliseconds(self.ttl),
        };
        let id = client.submit_as(command).await?;
        if client.is_planning() {
            return Ok(());
        }
        let limit = Some(Duration::from_secs(self.timeout)).filter(|limit| !limit.is_zero());
        wait::for_cluster(client, &self.cluster, limit, |c, _| c.configured).await?;
        self.show.print(&get(client, self.cluster, id).await?)
    }
}

/// A join token by its id, or that of the command that asked for it.
async fn get(
    client: &Client,
    cluster: String,
    id: String,
) -> Result<v1::GetJoinTokenResponse, Failure> {
    let request = v1::GetJoinTokenRequest { cluster, token: id };
    client.call(request, async |mut api, r| api.get_join_token(r).await).await
}

impl Show {
    fn print(&self, token: &v1::GetJoinTokenResponse) -> Result<(), Failure> {
        match self.print {
            Some(Part::Token) => output::print(&format!("{}\n", token.secret)),
            Some(Part::Endpoint) => output::print(&format!("{}\n", token.endpoint)),
            Some(Part::Ca) => output::print(&token.authorities),
            Some(Part::Kubeadm) => output::print(&format!("{}\n", kubeadm(token))),
            None => self.output.one(open_row(token)),
        }
    }
}

fn kubeadm(token: &v1::GetJoinTokenResponse) -> String {
    let hashes = token.authority_hashes.iter();
    let hashes: String =
        hashes.map(|hash| format!(" --discovery-token-ca-cert-hash {hash}")).collect();
    format!("kubeadm join {} --token {}{hashes}", token.endpoint, token.secret)
}

/// Without its secret part.
fn row(t: &v1::JoinToken) -> Value {
    json!({"id": t.id, "expires": moment(t.expires_ms), "description": t.description})
}

/// All that a machine needs to join.
fn open_row(t: &v1::GetJoinTokenResponse) -> Value {
    let about = t.token.clone().unwrap_or_default();
    json!({
        "token": t.secret, "endpoint": t.endpoint, "expires": moment(about.expires_ms),
        "description": about.description, "caHashes": t.authority_hashes.join(","),
        "caCertificate": t.authorities, "kubeadm": kubeadm(t),
    })
}
