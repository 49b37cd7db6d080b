//! `oi feature-level …`, and what needs which level.

use crate::client::Client;
use crate::declare::Step;
use crate::error::Failure;
use clap::Subcommand;
use oi_events::Code;
use oi_proto::v1::{self, submit_request::Command};

#[derive(Subcommand)]
pub enum FeatureLevelVerb {
    /// All servers are new enough: let them write what older ones cannot read. It cannot be
    /// taken back; `oi status` names the newest level that the server knows.
    Raise {
        /// The level from here on.
        level: u16,
    },
}

pub async fn run(client: &Client, verb: FeatureLevelVerb) -> Result<(), Failure> {
    match verb {
        FeatureLevelVerb::Raise { level } => {
            client.submit(v1::RaiseFeatureLevel { level: level.into() }).await.map(drop)
        }
    }
}

/// The level that clusters with worker nodes need, and those with settings.
const SETTINGS: u32 = 3;

/// What a step needs that level for.
fn needs_settings(step: &Step) -> Option<String> {
    let cluster = match &step.command {
        Command::SetAddons(c) => &c.cluster,
        Command::EnableTunnel(c) => &c.cluster,
        Command::SetEndpoint(c) => &c.cluster,
        Command::SetAuthentication(c) => &c.cluster,
        Command::SharePorts(c) => return Some(format!("hypervisor {} is to share ports", c.name)),
        _ => return None,
    };
    Some(format!(
        "cluster {cluster} is to be made for worker nodes, or with an endpoint or users of its own"
    ))
}

/// Refuses, before anything is asked for, what would be refused halfway: a log that older
/// servers may still read.
///
/// # Errors
/// Where a step needs a higher level than the log has.
pub async fn check(client: &Client, steps: impl IntoIterator<Item = &Step>) -> Result<(), Failure> {
    let Some(what) = steps.into_iter().find_map(needs_settings) else { return Ok(()) };
    let status = client.status().await?;
    // A log that holds nothing begins at the newest level.
    if status.position == 0 || status.feature_level >= SETTINGS {
        return Ok(());
    }
    Err(Failure::Rejected {
        code: Code::FeatureLevelTooLow,
        message: format!(
            "{what}, which needs level {SETTINGS}, and the log is at {}: when all servers are of this release, run `oi feature-level raise {SETTINGS}`; or make it without (`--no-workers`, no addons in its document)",
            status.feature_level
        ),
    })
}
