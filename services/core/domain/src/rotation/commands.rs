//! Decisions about CAs: new ones are trusted first, then sign, and only then are
//! the old ones no longer trusted; one node at a time.

use crate::cluster::{Cluster, ClusterPhase};
use crate::decide::Context;
use crate::guards::{next_generation, settled};
use crate::mint::Ca;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ClusterName, Event, Generation, RotateCaV1, RotationAdvancedV1, RotationCommand, RotationStage,
    RotationStartedV1, RotationStep,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &RotationCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        RotationCommand::RotateCa(c) => rotate(state, c, context),
    }
}

fn rotate(state: &State, c: &RotateCaV1, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.name)?;
    let generation = next_generation(state);
    let Some(rotation) = &cluster.rotation else {
        return match c.step {
            RotationStep::Start => start(cluster, &c.name, generation, context),
            _ => Err(Rejection::NoRotation(c.name.clone())),
        };
    };
    let (name, stage) = (c.name.clone(), rotation.stage);
    let advance =
        |stage| Ok(vec![RotationAdvancedV1 { cluster: c.name.clone(), stage, generation }.into()]);
    use {RotationStage as Stage, RotationStep as Step};
    match (c.step, stage) {
        (Step::Start, Stage::Trust)
        | (Step::Switch, Stage::Switch)
        | (Step::Finish | Step::Abort, Stage::Retire) => Ok(Vec::new()),
        (Step::Abort, Stage::Trust) => advance(Stage::Retire),
        (Step::Abort, Stage::Switch) => Err(Rejection::RotationStep {
            cluster: name,
            problem: "the new authorities sign already: finish it, and rotate again if you must",
        }),
        (Step::Finish, Stage::Trust) => Err(Rejection::RotationStep {
            cluster: name,
            problem: "the old authorities still sign: switch first, or abort",
        }),
        (Step::Start, _) | (Step::Switch, Stage::Retire) => Err(Rejection::RotationStep {
            cluster: name,
            problem: "another rotation is on its way: finish it first",
        }),
        (Step::Switch, Stage::Trust) | (Step::Finish, Stage::Switch) => {
            let behind = cluster.staying(|n| rotation.is_behind(n)).len();
            if behind > 0 {
                return Err(Rejection::RotationUnfinished { cluster: name, behind });
            }
            advance(if stage == Stage::Trust { Stage::Switch } else { Stage::Retire })
        }
    }
}

fn start(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if let Some(upgrade) = &cluster.upgrade {
        let to = upgrade.target().clone();
        return Err(Rejection::UpgradeRunning { cluster: name.clone(), to });
    }
    if cluster.phase != ClusterPhase::Ready {
        return Err(Rejection::ClusterBusy(name.clone()));
    }
    let mint = |authority| context.mint.ca(cluster.uid, authority);
    let credentials = Ca::ALL.into_iter().map(mint).collect::<Result<_, _>>()?;
    Ok(vec![RotationStartedV1 { cluster: name.clone(), credentials, generation }.into()])
}
