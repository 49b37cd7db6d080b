//! One command: asked, decided, answered.

use crate::identity::Identity;
use crate::rejected::Rejected;
use crate::rejection_log::with_source;
use crate::rpc::Reply;
use crate::service::{Gateway, permits};
use oi_events::{Code, CommandEnvelope, Outcome, chain};
use oi_proto::v1;
use prost::Message;
use std::time::Duration;
use tonic::Response;
use tracing::field::Empty;

/// How long a command waits for its decision unless the client says less.
const DECISION: Duration = Duration::from_secs(10);

/// The root of a command's trace.
pub(crate) fn command_span(envelope: &CommandEnvelope) -> tracing::Span {
    let kind = envelope.command.kind().name;
    let (id, actor) = (envelope.id, &envelope.actor);
    let span = tracing::info_span!("command", otel.name = Empty, otel.kind = Empty, %id, actor);
    oi_trace::name(&span, kind, "server");
    oi_trace::root(&span, id);
    span
}

impl Gateway {
    /// What somebody asks for, if they may. Whose a cluster is may have changed a moment ago
    /// at another gateway: where a tenant asks, this one is as current as the log.
    pub(crate) async fn asked(
        &self,
        who: &Identity,
        envelope: CommandEnvelope,
    ) -> Result<CommandEnvelope, Rejected> {
        if who.is_tenant() {
            let end = self.handles.log.last_position().await;
            let end = end.map_err(|e| Rejected::unavailable(&e))?;
            let seen = tokio::time::timeout(DECISION, self.view.wait_for(end)).await;
            if !matches!(seen, Ok(Ok(()))) {
                let problem = "the view does not keep up with the log";
                return Err(Rejected::new(Code::Unavailable, problem));
            }
        }
        self.view.read(|s| who.asks(s, envelope))
    }

    /// Asks for a decision and waits for it.
    pub(crate) async fn decide(
        &self,
        envelope: &CommandEnvelope,
    ) -> Result<v1::SubmitResponse, Rejected> {
        let bytes = envelope.command.encode();
        let bytes = bytes.map_err(|e| Rejected::new(Code::Malformed, chain(&e)))?.len();
        let Ok(_permit) = self.permits.try_acquire_many(permits(bytes)) else {
            return Err(Rejected::new(
                Code::Busy,
                "too many commands wait here: try again in a second",
            ));
        };
        let before = self.view.position();
        let outcome = self.handles.commands.request(envelope, DECISION).await;
        let outcome = outcome.map_err(|e| Rejected::undecided(&e))?;
        let (position, unchanged) = match outcome {
            Outcome::Committed { position } => (position, false),
            Outcome::Unchanged { position } => (position, true),
            Outcome::Rejected { code, message } => {
                return Err(Rejected { code, message, field: None });
            }
        };
        // What was asked for is seen by whoever asks next.
        let seen = tokio::time::timeout(DECISION, self.view.wait_for(position)).await;
        if !matches!(seen, Ok(Ok(()))) {
            return Err(Rejected::new(Code::Unavailable, "the view does not keep up with the log"));
        }
        let duplicate = !unchanged && position <= before;
        if duplicate {
            self.check_same(envelope, position).await?;
        }
        Ok(v1::SubmitResponse { position, unchanged, duplicate })
    }

    /// Whether what was decided under an id is what is asked under it now.
    async fn check_same(&self, asked: &CommandEnvelope, position: u64) -> Result<(), Rejected> {
        let decided = self.handles.log.commit_at(position).await;
        match decided.map_err(|e| Rejected::unavailable(&e))? {
            Some(decided) if decided.commit.command != asked.command => Err(Rejected::new(
                Code::CommandIdReused,
                format!(
                    "command {} was decided at position {position}, and is another one: choose a new id",
                    asked.id
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Answers what was sent; a rejection is recorded.
    pub(crate) async fn answer<T>(
        &self,
        decided: Result<T, Rejected>,
        sent: &impl Message,
        told: impl FnOnce(&Rejected) -> v1::Rejection,
    ) -> Reply<T> {
        match decided {
            Ok(response) => Ok(Response::new(response)),
            Err(refused) => {
                self.record(&with_source(told(&refused), "grpc", &sent.encode_to_vec())).await;
                Err(refused.into())
            }
        }
    }

    /// Records a rejection. Where the broker is away it is only logged.
    pub(crate) async fn record(&self, rejection: &v1::Rejection) {
        if let Err(error) = self.handles.rejections.record(rejection.encode_to_vec()).await {
            tracing::warn!(%error, code = rejection.code, "a rejection is not recorded");
        }
    }
}
