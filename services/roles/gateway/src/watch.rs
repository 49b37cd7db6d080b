//! Pushing events as they happen.

use crate::convert::parse;
use crate::identity::Identity;
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_domain::describe;
use oi_events::{ClusterName, Event, HypervisorName, RecordedCommit, chain, parsed};
use oi_proto::v1;
use std::collections::BTreeSet;
use tokio::sync::mpsc;
use tonic::Status;

/// How far a client may lag before it slows its own stream down.
const BACKLOG: usize = 256;

/// The place of an event: its commit's position, and its number there from 0.
pub type Place = (u64, u32);

/// The place that a resume token or an id names.
pub fn place(token: &str) -> Option<Place> {
    let (position, index) = token.split_once('.')?;
    parsed(position).zip(parsed(index))
}

/// The events of a commit, as others see them. Key material has no field here.
pub fn messages(recorded: &RecordedCommit) -> impl Iterator<Item = v1::WatchResponse> {
    let (position, commit) = (recorded.position, &recorded.commit);
    let text = |t: Option<String>| t.unwrap_or_default();
    (0_u32..).zip(&commit.events).map(move |(index, event)| {
        let about = describe(event);
        v1::WatchResponse {
            position,
            time_ms: commit.header.time_ms,
            actor: commit.header.actor.clone(),
            command_id: commit.header.command_id.to_string(),
            command: commit.command.kind().name.to_owned(),
            event: event.kind().name.to_owned(),
            cluster: text(about.cluster.map(|c| c.to_string())),
            node: text(about.node.map(|n| n.to_string())),
            hypervisor: text(about.hypervisor.map(|h| h.to_string())),
            job: text(about.job.map(|j| j.to_string())),
            summary: about.summary,
            index,
            resume_token: format!("{position}.{index}"),
        }
    })
}

/// Which events are wanted.
struct Filter {
    cluster: String,
    hypervisor: String,
    events: BTreeSet<String>,
    after: Option<Place>,
}

impl Filter {
    fn new(request: &v1::WatchRequest) -> Result<Filter, Rejected> {
        let after = match request.resume_after.as_str() {
            "" => None,
            token => Some(place(token).ok_or_else(|| {
                Rejected::field("resume_after", "is not the resume_token of an event")
            })?),
        };
        if !request.cluster.is_empty() {
            parse::<ClusterName>("cluster", &request.cluster)?;
        }
        if !request.hypervisor.is_empty() {
            parse::<HypervisorName>("hypervisor", &request.hypervisor)?;
        }
        if let Some(kind) =
            request.events.iter().find(|kind| Event::kinds().all(|k| k.name != **kind))
        {
            return Err(Rejected::field("events", format!("there is no event {kind:?}")));
        }
        Ok(Filter {
            cluster: request.cluster.clone(),
            hypervisor: request.hypervisor.clone(),
            events: request.events.iter().cloned().collect(),
            after,
        })
    }

    fn takes(&self, m: &v1::WatchResponse) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        fits(&self.cluster, &m.cluster)
            && fits(&self.hypervisor, &m.hypervisor)
            && (self.events.is_empty() || self.events.contains(&m.event))
            && self.after.is_none_or(|after| (m.position, m.index) > after)
    }
}

impl Gateway {
    /// Streams events until the client goes away. Positions come in order, none is
    /// missed or doubled; a query that follows an event is answered with it folded in.
    pub(crate) fn stream(
        &self,
        request: v1::WatchRequest,
        who: Identity,
    ) -> Result<mpsc::Receiver<Result<v1::WatchResponse, Status>>, Rejected> {
        let filter = Filter::new(&request)?;
        let watching = self.budget.watch(who.account())?;
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let from = match (filter.after, request.from_position) {
            (Some((position, _)), _) => position.max(1),
            (None, 0) => self.view.position() + 1,
            (None, n) => n,
        };
        let mut follower = self.handles.log.follow(from);
        let view = self.view.clone();
        tokio::spawn(async move {
            let _watching = watching;
            loop {
                let next = tokio::select! {
                    next = follower.next() => next,
                    () = sender.closed() => return,
                };
                let recorded = match next {
                    Ok(recorded) => recorded,
                    Err(error) => {
                        let error = chain(&error);
                        tracing::warn!(error, "a watch ends");
                        if sender.send(Err(Status::data_loss(error))).await.is_err() {
                            tracing::debug!("and its client is gone");
                        }
                        return;
                    }
                };
                // The view reads for itself, and may be behind.
                if view.wait_for(recorded.position).await.is_err() {
                    return;
                }
                let position = recorded.position;
                let seen = |m: &v1::WatchResponse| view.read(|s| who.saw(s, &m.cluster, position));
                for message in messages(&recorded).filter(|m| filter.takes(m) && seen(m)) {
                    if sender.send(Ok(message)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(receiver)
    }
}
