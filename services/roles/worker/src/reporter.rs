//! Reports of a worker: commands that it submits to the log.

use oi_clock::now_ms;
use oi_events::{
    Command, CommandEnvelope, CommandId, Observation, ReportJobV2, ReportObservationV1, chain,
};
use oi_journal::{CommandOutbox, SubmitError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The pause before a report is sent again. It doubles, up to the longest one.
const AGAIN: Duration = Duration::from_millis(250);
const AGAIN_LONGEST: Duration = Duration::from_secs(5);
/// How many observations may wait for a broker that stores nothing.
const KEPT: usize = 1024;

/// Submits reports under the name of a worker. Clones share everything.
#[derive(Clone)]
pub struct Reporter {
    commands: CommandOutbox,
    actor: Arc<str>,
    kept: Arc<Semaphore>,
}

impl Reporter {
    /// A reporter for the worker of that name.
    pub fn new(commands: CommandOutbox, worker: &str) -> Reporter {
        let actor = format!("system:worker:{worker}").into();
        Reporter { commands, actor, kept: Arc::new(Semaphore::new(KEPT)) }
    }

    /// Reports how a job ended. Returns once the report is stored.
    pub async fn job(&self, report: ReportJobV2) {
        let report = ReportJobV2 { result: report.result.shortened(), ..report };
        self.submit(report.into()).await;
    }

    /// Reports an observation. Returns false when the report is not stored.
    pub async fn observe(&self, observation: Observation) -> bool {
        let envelope = self.envelope(observed(observation));
        match self.commands.submit(&envelope).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "observation not stored");
                false
            }
        }
    }

    /// Reports an observation without waiting. It is kept, and sent again, while the broker stores
    /// nothing.
    pub fn observe_later(&self, observation: Observation) {
        let Ok(kept) = self.kept.clone().try_acquire_owned() else {
            return tracing::warn!(?observation, "too many reports wait: this one is dropped");
        };
        let reporter = self.clone();
        tokio::spawn(async move {
            reporter.submit(observed(observation)).await;
            drop(kept);
        });
    }

    /// Reports what is seen again as long as it holds, without waiting.
    pub fn observe_now(&self, observation: Observation) {
        let reporter = self.clone();
        tokio::spawn(async move { reporter.observe(observation).await });
    }

    /// Submits a command until it is stored. It is the same command each time: it is decided once.
    async fn submit(&self, command: Command) {
        let envelope = self.envelope(command);
        let mut pause = AGAIN;
        loop {
            match self.commands.submit(&envelope).await {
                Ok(()) => return,
                // It never will be.
                Err(error @ SubmitError::Message(_)) => {
                    return tracing::error!(error = chain(&error), "a report has no stored form");
                }
                Err(error) => {
                    tracing::warn!(error = chain(&error), "report not stored, trying again");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_LONGEST);
        }
    }

    fn envelope(&self, command: Command) -> CommandEnvelope {
        CommandEnvelope::new(CommandId(Uuid::now_v7()), &*self.actor, now_ms(), command)
    }
}

fn observed(observation: Observation) -> Command {
    ReportObservationV1 { observation: observation.shortened() }.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use oi_events::{JobCommand, JobId, JobResult};
    use oi_journal::testing::Broker;
    use tokio::sync::mpsc;
    use tokio::time::{sleep, timeout};

    /// Longer than the broker may take to answer.
    const OUTAGE: Duration = Duration::from_secs(7);
    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_report_is_sent_until_it_is_stored_and_is_one_command() {
        let mut broker = Broker::start();
        let journal = broker.journal().await;
        let reporter = Reporter::new(journal.command_outbox(), "w0");
        broker.kill();
        let job = JobId("node.test.cp-1.7.etcd".to_owned());
        let report = ReportJobV2 { job, result: JobResult::DeadLettered, took_ms: 1 };
        let sent = report.clone();
        let sending = tokio::spawn(async move { reporter.job(sent).await });
        sleep(OUTAGE).await;
        assert!(!sending.is_finished(), "nobody has stored it");
        broker.restart();
        timeout(LIMIT, sending).await.unwrap().unwrap();
        let (sender, mut stored) = mpsc::channel(16);
        tokio::spawn(journal.command_inbox().take_commands(sender));
        let first = timeout(LIMIT, stored.recv()).await.unwrap().unwrap();
        let expected = Command::Job(JobCommand::ReportJob(report));
        assert_eq!(first.envelope.command, expected);
        assert!(timeout(Duration::from_secs(1), stored.recv()).await.is_err(), "it came once");
    }
}
