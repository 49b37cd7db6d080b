//! `oi feature-level …`, and whether the log has the level that steps need.

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

/// Refuses, before anything is asked for, what would be refused halfway: a log that older
/// servers may still read.
///
/// # Errors
/// Where a step needs a higher level than the log has.
pub async fn check<'a>(
    client: &Client,
    steps: impl IntoIterator<Item = &'a Step>,
) -> Result<(), Failure> {
    let status = client.status().await?;
    // A log that holds nothing begins at the newest level.
    if status.position == 0 || status.feature_level >= status.newest_feature_level {
        return Ok(());
    }
    let commands: Vec<_> = steps.into_iter().map(|step| step.command.clone()).collect();
    let addons = commands.iter().any(|c| matches!(c, Command::SetAddons(_)));
    let plan = client.plan_of(commands.into_iter()).await?;
    match Code::from(plan.refused.as_str()) {
        code @ Code::FeatureLevelTooLow => Err(Failure::Rejected {
            code,
            message: match addons {
                false => plan.message,
                true => format!(
                    "{}; or make it without add-ons: with `--no-workers`, or no addons in its document",
                    plan.message
                ),
            },
        }),
        // Any other rejection is told when its step is asked for.
        _ => Ok(()),
    }
}
