//! `oi status`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::Output;
use clap::Args;
use serde_json::json;

/// The log position and state hash of the server, and its level.
#[derive(Args)]
pub struct Status {
    #[command(flatten)]
    output: Output,
}

impl Status {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let s = client.status().await?;
        self.output.one(json!({
            "position": s.position, "stateHash": s.state_hash, "head": s.head,
            "version": s.version, "featureLevel": s.feature_level,
            "newestFeatureLevel": s.newest_feature_level,
        }))
    }
}
