//! Pushing events as they happen.

use crate::service::Gateway;
use oi_domain::describe;
use oi_events::RecordedCommit;
use oi_proto::v1;
use tokio::sync::mpsc;
use tonic::Status;

/// How far a client may lag before it slows its own stream down.
const BACKLOG: usize = 256;

fn messages(recorded: &RecordedCommit, cluster: &str) -> Vec<v1::WatchResponse> {
    let commit = &recorded.commit;
    let text = |t: Option<String>| t.unwrap_or_default();
    commit
        .events
        .iter()
        .map(|event| (event, describe(event)))
        .filter(|(_, d)| {
            cluster.is_empty() || d.cluster.as_ref().is_some_and(|c| c.as_str() == cluster)
        })
        .map(|(event, d)| v1::WatchResponse {
            position: recorded.position,
            time_ms: commit.header.time_ms,
            actor: commit.header.actor.clone(),
            command_id: commit.header.command_id.to_string(),
            command: commit.command.kind().name.to_owned(),
            event: event.kind().name.to_owned(),
            cluster: text(d.cluster.map(|c| c.to_string())),
            node: text(d.node.map(|n| n.to_string())),
            hypervisor: text(d.hypervisor.map(|h| h.to_string())),
            job: text(d.job.map(|j| j.to_string())),
            summary: d.summary,
        })
        .collect()
}

impl Gateway {
    /// Streams events until the client goes away. Positions come in order, none is
    /// missed or doubled; a query that follows an event is answered with it folded in.
    pub(crate) fn stream(
        &self,
        request: v1::WatchRequest,
    ) -> mpsc::Receiver<Result<v1::WatchResponse, Status>> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let from = match request.from_position {
            0 => self.view.position() + 1,
            n => n,
        };
        let mut follower = self.journal.follow(from);
        let view = self.view.clone();
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    next = follower.next() => next,
                    () = sender.closed() => return,
                };
                let messages = match next {
                    Ok(recorded) => {
                        // The view reads for itself, and may be behind.
                        if view.wait_for(recorded.position).await.is_err() {
                            return;
                        }
                        messages(&recorded, &request.cluster)
                    }
                    Err(error) => {
                        let _ = sender.send(Err(Status::data_loss(error.to_string()))).await;
                        return;
                    }
                };
                for message in messages {
                    if sender.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            }
        });
        receiver
    }
}
