//! What oi asks of itself: what time owes, and jobs that were delivered too often. It is
//! entered as commands, so that a replay sees it, too.

use crate::decider::Decider;
use crate::spans::decision_spans;
use oi_clock::millis;
use oi_domain::{due, lost};
use oi_events::{Command, CommandEnvelope, CommandId, JobResult, ReportJobV2};
use oi_journal::{DeadLettered, Delivered};
use uuid::Uuid;

impl Decider {
    /// Enters what time owes as commands, so that a replay sees them too.
    pub(crate) async fn enter_due(&self) {
        // What falls due cannot be undone: it waits until it is known what time it is.
        let Ok(now_ms) = self.clock.now() else { return };
        let patience = self.settings.evacuate_after.map(millis);
        let commands = self.view.read(|s| {
            let mut commands = due(s, now_ms);
            commands.extend(patience.map(|p| lost(s, now_ms, p)).unwrap_or_default());
            commands
        });
        self.enter(commands, now_ms).await;
    }

    pub(crate) async fn report_dead_lettered(&self, delivered: Delivered<DeadLettered>) {
        // It comes again.
        let Ok(now_ms) = self.clock.now() else { return };
        match self.handles.jobs.remove_dead_lettered(&delivered.value).await {
            Ok(Some(job)) => {
                tracing::error!(%job, "job given up after too many deliveries");
                let report = ReportJobV2 { job, result: JobResult::DeadLettered, took_ms: 0 };
                self.enter(vec![report.into()], now_ms).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a dead-lettered job is not looked at");
                return;
            }
        }
        // The job is gone by the time that the message comes again.
        if let Err(error) = delivered.ack().await {
            tracing::debug!(%error, "a dead-lettered job is told of again");
        }
    }

    async fn enter(&self, commands: Vec<Command>, now_ms: u64) {
        let actor = format!("system:decider:{}", self.settings.name);
        let envelope = |command| {
            CommandEnvelope::new(CommandId(Uuid::now_v7()), actor.clone(), now_ms, command)
        };
        let envelopes: Vec<CommandEnvelope> = commands.into_iter().map(envelope).collect();
        let _spans = decision_spans(envelopes.iter());
        let (outcomes, failed) = self.decide_all(&envelopes.iter().collect::<Vec<_>>()).await;
        for (envelope, outcome) in envelopes.iter().zip(outcomes) {
            tracing::debug!(command = %envelope.id, ?outcome, "entered");
        }
        if let Some(error) = failed {
            tracing::warn!(error = &error as &dyn std::error::Error, "not entered");
        }
    }
}
