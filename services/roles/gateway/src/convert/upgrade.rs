//! Upgrades, between requests, the state and answers.

use super::{IntoCommand, parse};
use crate::rejected::Rejected;
use oi_events::{ChangeUpgradeV1, Command, UpgradeChange, UpgradeClusterV1};
use oi_proto::v1;

impl IntoCommand for v1::UpgradeCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(UpgradeClusterV1 { name: parse("name", &self.name)?, to: parse("to", &self.to)? }.into())
    }
}

impl IntoCommand for v1::ChangeUpgrade {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(ChangeUpgradeV1 {
            name: parse("name", &self.name)?,
            change: match self.change() {
                v1::UpgradeChange::Pause => UpgradeChange::Pause,
                v1::UpgradeChange::Resume => UpgradeChange::Resume,
                v1::UpgradeChange::RollBack => UpgradeChange::RollBack,
                v1::UpgradeChange::Unspecified => {
                    return Err(Rejected::field("change", "is unknown or absent"));
                }
            },
        }
        .into())
    }
}
