//! The replacement of CAs, between requests, the state and answers.

use super::{IntoCommand, count, parse};
use crate::rejected::Rejected;
use oi_domain::Cluster;
use oi_events::{Command, RotateCaV1, RotationStage, RotationStep};
use oi_proto::v1;

impl IntoCommand for v1::RotateCa {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(RotateCaV1 {
            name: parse("name", &self.name)?,
            step: match self.step() {
                v1::RotationStep::Start => RotationStep::Start,
                v1::RotationStep::Switch => RotationStep::Switch,
                v1::RotationStep::Finish => RotationStep::Finish,
                v1::RotationStep::Abort => RotationStep::Abort,
                v1::RotationStep::Unspecified => {
                    return Err(Rejected::field("step", "is unknown or absent"));
                }
            },
        }
        .into())
    }
}

/// How far it is.
pub fn shown(c: &Cluster) -> Option<v1::Rotation> {
    let rotation = c.rotation.as_ref()?;
    let stage = match rotation.stage {
        RotationStage::Trust => v1::RotationStage::Trust,
        RotationStage::Switch => v1::RotationStage::Switch,
        RotationStage::Retire => v1::RotationStage::Retire,
    };
    let behind = c.staying(|n| rotation.is_behind(n)).len();
    let nodes_behind = count(behind);
    Some(v1::Rotation { stage: stage.into(), nodes_behind })
}
