//! What oi asks of itself: what time owes, and jobs that were delivered too often. It is
//! entered as commands, so that a replay sees it, too.

use crate::decider::Decider;
use crate::spans::decision_spans;
use oi_clock::millis;
use oi_domain::{due, lost};
use oi_events::{
    ClusterCommand, Code, Command, CommandEnvelope, CommandId, FailureClass, JobResult, Outcome,
    ReportJobV2,
};
use oi_journal::{DeadLettered, Delivered};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// So many refusals are remembered.
const REMEMBERED: usize = 256;

/// What oi asked of itself and refused: it stays due, and is told once.
#[derive(Default)]
pub(crate) struct Refused(Mutex<VecDeque<Command>>);

impl Refused {
    /// Tells of an outcome; whether it is told.
    fn tell(&self, command: &Command, outcome: Option<&Outcome>) -> bool {
        let Some(outcome) = outcome else { return false };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|c| c == command);
        match outcome {
            // Somebody else was faster.
            Outcome::Rejected { code: Code::PositionMoved, .. } => false,
            Outcome::Rejected { .. } if at.is_some() => false,
            Outcome::Rejected { code, message } => {
                known.push_back(command.clone());
                if known.len() > REMEMBERED {
                    known.pop_front();
                }
                tracing::warn!(
                    kind = command.kind().name,
                    ?code,
                    why = message,
                    "is due, and refused"
                );
                true
            }
            Outcome::Committed { .. } | Outcome::Unchanged { .. } => {
                if let Some(at) = at {
                    known.remove(at);
                }
                false
            }
        }
    }
}

impl Decider {
    /// Enters what time owes as commands, so that a replay sees them too.
    pub(crate) async fn enter_due(&self) {
        // What falls due cannot be undone: it waits until it is known what time it is.
        let Ok(now_ms) = self.clock.now() else { return };
        let patience = self.settings.evacuate_after.map(millis);
        let (position, commands) = self.view.read(|s| {
            let mut commands = due(s, now_ms);
            commands.extend(patience.map(|p| lost(s, now_ms, p)).unwrap_or_default());
            (s.position, commands)
        });
        let (mut deletions, others): (Vec<_>, Vec<_>) = commands.into_iter().partition(is_deletion);
        // One at a time, and only on the state in which it is due: it may be called off.
        deletions.truncate(1);
        self.enter(deletions, now_ms, Some(position)).await;
        self.enter(others, now_ms, None).await;
    }

    pub(crate) async fn report_dead_lettered(&self, delivered: Delivered<DeadLettered>) {
        // It comes again.
        let Ok(now_ms) = self.clock.now() else { return };
        match self.handles.jobs.remove_dead_lettered(&delivered.value).await {
            Ok(Some(job)) => {
                tracing::error!(%job, "delivered too often without any outcome");
                // The job may be healthy, and its workers not: it is tried again after a pause.
                let message = "delivered too often without any outcome: the workers' logs say why";
                let (message, class) = (message.to_owned(), FailureClass::Transient);
                let result = JobResult::Failed { message, class };
                let report = ReportJobV2 { job, result, took_ms: 0 };
                // It comes again.
                if !self.enter(vec![report.into()], now_ms, None).await {
                    return;
                }
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

    /// Enters commands; what others decide meanwhile may make them void, so that each is tried
    /// once. Whether all are decided.
    async fn enter(
        &self,
        commands: Vec<Command>,
        now_ms: u64,
        expected_position: Option<u64>,
    ) -> bool {
        let actor = format!("system:decider:{}", self.settings.name);
        let envelope = |command| {
            let id = CommandId(Uuid::now_v7());
            let envelope = CommandEnvelope::new(id, actor.clone(), now_ms, command);
            CommandEnvelope { expected_position, ..envelope }
        };
        let envelopes: Vec<CommandEnvelope> = commands.into_iter().map(envelope).collect();
        let _spans = decision_spans(envelopes.iter());
        let mut outcomes = vec![None; envelopes.len()];
        let asked: Vec<&CommandEnvelope> = envelopes.iter().collect();
        if let Err(error) = self.decide_some(&asked, &mut outcomes).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "not entered");
        }
        for (envelope, outcome) in envelopes.iter().zip(&outcomes) {
            tracing::debug!(command = %envelope.id, ?outcome, "entered");
            self.refused.tell(&envelope.command, outcome.as_ref());
        }
        outcomes.iter().all(Option::is_some)
    }
}

fn is_deletion(command: &Command) -> bool {
    matches!(command, Command::Cluster(ClusterCommand::DeleteCluster(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oi_events::RaiseFeatureLevelV1;

    #[test]
    fn what_is_due_and_refused_is_told_once_until_it_is_decided() {
        let refused = Refused::default();
        let due: Command = RaiseFeatureLevelV1 { level: 1 }.into();
        let other: Command = RaiseFeatureLevelV1 { level: 2 }.into();
        let rejected = Outcome::Rejected { code: Code::ClusterBusy, message: "busy".to_owned() };
        assert!(refused.tell(&due, Some(&rejected)));
        assert!(!refused.tell(&due, Some(&rejected)), "at each tick");
        assert!(refused.tell(&other, Some(&rejected)), "another command");
        assert!(!refused.tell(&due, Some(&Outcome::Committed { position: 1 })));
        assert!(refused.tell(&due, Some(&rejected)), "it is news again");
    }
}
