//! `oi join-token …`

use super::cluster::wait_for;
use crate::client::Client;
use crate::error::Failure;
use crate::flags::{JoinToken, Output, Part};
use crate::output;
use oi_proto::v1::{self, submit_request::Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub async fn run(client: Client, command: JoinToken) -> Result<(), Failure> {
    match command {
        JoinToken::Create { cluster, ttl, description, print, timeout, output } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let expires_ms = u64::try_from((now + ttl).as_millis()).unwrap_or(u64::MAX);
            let command = v1::CreateJoinToken { cluster: cluster.clone(), expires_ms, description };
            let id = client.submit_as(Command::CreateJoinToken(command)).await?;
            if client.is_planning() {
                return Ok(());
            }
            let known = |c: &v1::Cluster, _: &[v1::Node]| c.configured;
            wait_for(&client, &cluster, timeout > 0, timeout, known).await?;
            show(&client.join_token(&cluster, &id).await?, print, output)
        }
        JoinToken::Get { id, cluster, print, output } => {
            show(&client.join_token(&cluster, &id).await?, print, output)
        }
        JoinToken::List { cluster, output } => {
            let all = client.join_tokens(&cluster).await?;
            output::rows(output.output, all.iter().map(output::join_token).collect(), false)
        }
        JoinToken::Revoke { id, cluster } => {
            let command = v1::RevokeJoinToken { cluster, token: id.clone() };
            client.submit(Command::RevokeJoinToken(command)).await?;
            eprintln!("join token {id}: revoked");
            Ok(())
        }
    }
}

fn kubeadm(token: &v1::GetJoinTokenResponse) -> String {
    let hashes = token.authority_hashes.iter();
    let hashes: String =
        hashes.map(|hash| format!(" --discovery-token-ca-cert-hash {hash}")).collect();
    format!("kubeadm join {} --token {}{hashes}", token.endpoint, token.secret)
}

fn show(
    token: &v1::GetJoinTokenResponse,
    part: Option<Part>,
    format: Output,
) -> Result<(), Failure> {
    match part {
        Some(Part::Token) => output::print(&format!("{}\n", token.secret)),
        Some(Part::Endpoint) => output::print(&format!("{}\n", token.endpoint)),
        Some(Part::Ca) => output::print(&token.authorities),
        Some(Part::Kubeadm) => output::print(&format!("{}\n", kubeadm(token))),
        None => output::rows(format.output, vec![output::open_token(token, &kubeadm(token))], true),
    }
}
