//! The feature level, between requests, the state and answers.

use super::IntoCommand;
use crate::rejected::Rejected;
use oi_events::{Command, RaiseFeatureLevelV1};
use oi_proto::v1;

impl IntoCommand for v1::RaiseFeatureLevel {
    fn into_command(self) -> Result<Command, Rejected> {
        let level =
            u16::try_from(self.level).map_err(|_| Rejected::field("level", "is no level"))?;
        Ok(RaiseFeatureLevelV1 { level }.into())
    }
}
