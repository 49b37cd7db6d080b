//! Reports of a worker: commands that it submits to the log.

use oi_clock::now_ms;
use oi_events::{
    Command, CommandEnvelope, CommandId, Observation, ReportJobV2, ReportObservationV1,
};
use oi_journal::CommandOutbox;
use std::sync::Arc;
use uuid::Uuid;

/// Submits reports under the name of a worker. Clones share everything.
#[derive(Clone)]
pub struct Reporter {
    commands: CommandOutbox,
    actor: Arc<str>,
}

impl Reporter {
    /// A reporter for the worker of that name.
    pub fn new(commands: CommandOutbox, worker: &str) -> Reporter {
        Reporter { commands, actor: format!("system:worker:{worker}").into() }
    }

    /// Reports how a job ended. Returns false when the report is not stored.
    pub async fn job(&self, report: ReportJobV2) -> bool {
        let report = ReportJobV2 { result: report.result.shortened(), ..report };
        self.submit(report.into()).await
    }

    /// Reports an observation. Returns false when the report is not stored.
    pub async fn observe(&self, observation: Observation) -> bool {
        let observation = observation.shortened();
        self.submit(ReportObservationV1 { observation }.into()).await
    }

    /// Reports an observation without waiting: the broker may be unreachable.
    pub fn observe_later(&self, observation: Observation) {
        let reporter = self.clone();
        tokio::spawn(async move { reporter.observe(observation).await });
    }

    async fn submit(&self, command: Command) -> bool {
        let id = CommandId(Uuid::now_v7());
        let envelope = CommandEnvelope::new(id, &*self.actor, now_ms(), command);
        match self.commands.submit(&envelope).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "outcome not stored");
                false
            }
        }
    }
}
