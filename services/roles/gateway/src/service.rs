//! The service itself, with health and reflection.

use crate::identity::{AccessRole, Identity};
use crate::operation::unknown;
use crate::rejected::Rejected;
use crate::rejections::noted;
use crate::tls::Tls;
use crate::{convert, feed, join};
use oi_domain::Hypervisor;
use oi_events::Code;
use oi_events::{ClusterName, CommandEnvelope, NodeName, Outcome};
use oi_journal::{CommandClient, Feed, Log, Rejections, Submissions};
use oi_keyring::Keyring;
use oi_proto::v1::{self, oi_server::Oi, oi_server::OiServer};
use oi_view::View;
use prost::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tracing::Instrument;
use tracing::field::Empty;

/// How long a command waits for its decision unless the client says less.
const DECISION: Duration = Duration::from_secs(10);
/// So many commands wait for their decision here at most.
const WAITING: usize = 1024;
/// Bytes of the largest request; no command comes near it.
pub(crate) const LARGEST: usize = 256 * 1024;

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is not to be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Serving ended.
    #[error("the API server failed")]
    Serve(#[source] tonic::transport::Error),
    /// The descriptors do not fit.
    #[error("reflection cannot be offered")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// What a gateway may do beside reading the state.
#[derive(Clone)]
pub struct GatewayHandles {
    /// Reads the log.
    pub log: Log,
    /// Asks for decisions.
    pub commands: CommandClient,
    /// Takes commands of producers.
    pub submissions: Submissions,
    /// Records and lists rejections.
    pub rejections: Rejections,
    /// Extends the feed.
    pub feed: Feed,
    /// Opens key material.
    pub keyring: Keyring,
}

/// The API of a server.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) handles: GatewayHandles,
    pub(crate) view: View,
    version: &'static str,
    permits: Arc<Semaphore>,
}

fn cluster_filter(name: &str) -> Result<Option<ClusterName>, Rejected> {
    if name.is_empty() { Ok(None) } else { convert::parse("cluster", name).map(Some) }
}

impl Gateway {
    /// A gateway in a server of this version.
    pub fn new(handles: GatewayHandles, view: View, version: &'static str) -> Gateway {
        Gateway { handles, view, version, permits: Arc::new(Semaphore::new(WAITING)) }
    }

    /// Serves until `stop` resolves; requests in hand are finished. Without TLS whoever
    /// reaches the address may do everything.
    ///
    /// # Errors
    /// Where the address is taken.
    pub async fn serve(
        self,
        address: SocketAddr,
        tls: Option<Tls>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), GatewayError> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| GatewayError::Listen { address, source })?;
        let mut beside = JoinSet::new();
        beside.spawn(feed::extend_for_ever(self.handles.log.clone(), self.handles.feed.clone()));
        beside.spawn(self.clone().take_submissions());
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<OiServer<Gateway>>().await;
        beside.spawn(tell_health(health, self.handles.log.clone()));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // What errors carry.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(GatewayError::Reflection)?;
        tracing::info!(%address, tls = tls.is_some(), "API served");
        let router = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .add_service(health_service)
            .add_service(reflection)
            .add_service(OiServer::new(self).max_decoding_message_size(LARGEST));
        let served = match tls {
            Some(tls) => {
                let incoming = ReceiverStream::new(tls.accept(listener));
                router.serve_with_incoming_shutdown(incoming, stop).await
            }
            None => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, stop).await
            }
        };
        served.map_err(GatewayError::Serve)
    }

    /// Asks for a decision and waits for it.
    pub(crate) async fn decide(
        &self,
        envelope: &CommandEnvelope,
    ) -> Result<v1::SubmitResponse, Rejected> {
        let Ok(_permit) = self.permits.try_acquire() else {
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

    /// Answers what was sent; a refusal is recorded.
    async fn answer<T>(
        &self,
        decided: Result<T, Rejected>,
        sent: &impl Message,
        told: impl FnOnce(&Rejected) -> v1::Rejection,
    ) -> Reply<T> {
        match decided {
            Ok(response) => Ok(Response::new(response)),
            Err(refused) => {
                self.record(&noted(told(&refused), "grpc", &sent.encode_to_vec())).await;
                Err(refused.into())
            }
        }
    }

    /// Records a rejection. Where the broker is away it is only logged.
    pub(crate) async fn record(&self, rejection: &v1::Rejection) {
        if let Err(error) = self.handles.rejections.record(rejection.encode_to_vec()).await {
            tracing::warn!(%error, code = rejection.code, "a refusal is not recorded");
        }
    }
}

/// Says that it serves while the broker is there, and only then.
async fn tell_health(health: tonic_health::server::HealthReporter, log: Log) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        if log.is_connected() {
            health.set_serving::<OiServer<Gateway>>().await;
        } else {
            health.set_not_serving::<OiServer<Gateway>>().await;
        }
    }
}

/// The root of a command's trace.
pub(crate) fn command_span(envelope: &CommandEnvelope) -> tracing::Span {
    let kind = envelope.command.kind().name;
    let (id, actor) = (envelope.id, &envelope.actor);
    let span = tracing::info_span!("command", otel.name = Empty, otel.kind = Empty, %id, actor);
    oi_trace::name(&span, kind, "server");
    oi_trace::root(&span, id);
    span
}

/// A page of what is ordered by name: those after `token`, at most `size`, and the token
/// for those after them.
fn page<T>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    size: u32,
    token: &str,
) -> (Vec<T>, String) {
    let size = if size == 0 { usize::MAX } else { size as usize };
    let rest = all.filter(|one| token.is_empty() || key(one).as_str() > token);
    let mut found: Vec<T> = rest.take(size.saturating_add(1)).collect();
    let mut next = String::new();
    if found.len() > size {
        found.truncate(size);
        next = found.last().map(&key).unwrap_or_default();
    }
    (found, next)
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Oi for Gateway {
    type WatchStream = ReceiverStream<Result<v1::WatchResponse, Status>>;

    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Reply<v1::SubmitResponse> {
        let who = Identity::of(&request)?;
        let asking = request.metadata().get("traceparent").and_then(|v| v.to_str().ok());
        let asking = asking.unwrap_or_default().to_owned();
        let sent = request.into_inner();
        let actor = who.actor(&sent.actor);
        let read = convert::envelope(v1::SubmitRequest { actor: actor.clone(), ..sent.clone() });
        let kind = read.as_ref().map_or("", |envelope| envelope.command.kind().name);
        let asked = read.and_then(|envelope| who.may(&envelope.command).map(|()| envelope));
        let decided = match asked {
            Ok(envelope) => {
                let span = command_span(&envelope);
                oi_trace::link(&span, &asking);
                self.decide(&envelope).instrument(span).await
            }
            Err(refused) => Err(refused),
        };
        self.answer(decided, &sent, |r| r.told(&sent.command_id, &actor, kind)).await
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Reply<v1::GetStatusResponse> {
        Identity::of(&request)?.needs(AccessRole::Viewer)?;
        let (position, hash, head, level) =
            self.view.read(|s| (s.position, s.hash(), s.head, s.level()));
        Ok(Response::new(v1::GetStatusResponse {
            position,
            state_hash: hash.to_string(),
            head: head.to_string(),
            version: self.version.to_owned(),
            feature_level: level.into(),
            newest_feature_level: oi_domain::FEATURE_LEVEL.into(),
        }))
    }

    async fn plan(&self, request: Request<v1::PlanRequest>) -> Reply<v1::PlanResponse> {
        let who = Identity::of(&request)?;
        let commands: Vec<CommandEnvelope> = request
            .into_inner()
            .commands
            .into_iter()
            .map(convert::planned)
            .collect::<Result<_, _>>()?;
        commands.iter().try_for_each(|envelope| who.may(&envelope.command))?;
        // On a copy, so that nobody waits for it.
        let state = self.view.read(Clone::clone);
        Ok(Response::new(convert::plan::plan(&oi_domain::plan(
            &state,
            &commands,
            oi_clock::now_ms(),
        ))))
    }

    async fn list_backups(
        &self,
        request: Request<v1::ListBackupsRequest>,
    ) -> Reply<v1::ListBackupsResponse> {
        let who = Identity::of(&request)?;
        let name: ClusterName = convert::parse("cluster", &request.into_inner().cluster)?;
        who.needs_on(AccessRole::Viewer, name.as_str())?;
        let found = self.view.read(|s| s.clusters.get(&name).map(|c| convert::backup::backups(c)));
        found.map(Response::new).ok_or_else(|| unknown(&name).into())
    }

    async fn list_kubeconfigs(
        &self,
        request: Request<v1::ListKubeconfigsRequest>,
    ) -> Reply<v1::ListKubeconfigsResponse> {
        let who = Identity::of(&request)?;
        let name: ClusterName = convert::parse("cluster", &request.into_inner().cluster)?;
        who.needs_on(AccessRole::Viewer, name.as_str())?;
        let found =
            self.view.read(|s| s.clusters.get(&name).map(|c| convert::cluster::kubeconfigs(c)));
        let kubeconfigs = found.ok_or_else(|| unknown(&name))?;
        Ok(Response::new(v1::ListKubeconfigsResponse { kubeconfigs }))
    }

    async fn list_join_tokens(
        &self,
        request: Request<v1::ListJoinTokensRequest>,
    ) -> Reply<v1::ListJoinTokensResponse> {
        let who = Identity::of(&request)?;
        let name: ClusterName = convert::parse("cluster", &request.into_inner().cluster)?;
        who.needs_on(AccessRole::Viewer, name.as_str())?;
        let found = self.view.read(|s| s.clusters.get(&name).map(|c| join::tokens(c)));
        let tokens = found.ok_or_else(|| unknown(&name))?;
        Ok(Response::new(v1::ListJoinTokensResponse { tokens }))
    }

    async fn get_join_token(
        &self,
        request: Request<v1::GetJoinTokenRequest>,
    ) -> Reply<v1::GetJoinTokenResponse> {
        let who = Identity::of(&request)?;
        let sent = request.into_inner();
        who.needs_on(AccessRole::Operator, &sent.cluster)?;
        Ok(Response::new(self.join_token(&sent).await?))
    }

    async fn list_hypervisors(
        &self,
        request: Request<v1::ListHypervisorsRequest>,
    ) -> Reply<v1::ListHypervisorsResponse> {
        Identity::of(&request)?.needs_all(AccessRole::Viewer)?;
        let r = request.into_inner();
        Ok(Response::new(self.view.read(|s| {
            let name = |h: &&Arc<Hypervisor>| h.spec.name.to_string();
            let (found, next) = page(s.hypervisors.values(), name, r.page_size, &r.page_token);
            v1::ListHypervisorsResponse {
                position: s.position,
                hypervisors: found
                    .into_iter()
                    .map(|h| convert::hypervisor::hypervisor(s, h))
                    .collect(),
                next_page_token: next,
            }
        })))
    }

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Reply<v1::ListClustersResponse> {
        let who = Identity::of(&request)?;
        who.needs(AccessRole::Viewer)?;
        let r = request.into_inner();
        let wanted = cluster_filter(&r.name)?;
        Ok(Response::new(self.view.read(|s| {
            let clusters = convert::cluster::clusters(s, wanted.as_ref())
                .filter(|(name, _)| who.sees(name.as_str()));
            let (found, next) =
                page(clusters, |(name, _)| name.to_string(), r.page_size, &r.page_token);
            v1::ListClustersResponse {
                position: s.position,
                clusters: found
                    .into_iter()
                    .map(|(n, c)| convert::cluster::cluster(s, n, c))
                    .collect(),
                next_page_token: next,
            }
        })))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Reply<v1::ListNodesResponse> {
        let who = Identity::of(&request)?;
        who.needs(AccessRole::Viewer)?;
        let r = request.into_inner();
        let wanted = cluster_filter(&r.cluster)?;
        Ok(Response::new(self.view.read(|s| {
            let clusters = convert::cluster::clusters(s, wanted.as_ref())
                .filter(|(name, _)| who.sees(name.as_str()));
            let nodes =
                clusters.flat_map(|(cluster, c)| c.nodes.iter().map(move |(n, v)| (cluster, n, v)));
            let key =
                |(cluster, name, _): &(&ClusterName, &NodeName, _)| format!("{cluster} {name}");
            let (found, next) = page(nodes, key, r.page_size, &r.page_token);
            v1::ListNodesResponse {
                position: s.position,
                nodes: found.into_iter().map(|(c, n, v)| convert::node::node(c, n, v)).collect(),
                next_page_token: next,
            }
        })))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Reply<v1::ListJobsResponse> {
        let who = Identity::of(&request)?;
        who.needs(AccessRole::Viewer)?;
        let r = request.into_inner();
        let wanted = cluster_filter(&r.cluster)?;
        Ok(Response::new(self.view.read(|s| {
            let mut jobs = convert::job::jobs(s, wanted.as_ref());
            let wanted =
                |job: &v1::Job| r.state == v1::JobState::Unspecified as i32 || r.state == job.state;
            jobs.retain(|job| who.sees(&job.cluster) && wanted(job));
            if r.page_size > 0 || !r.page_token.is_empty() {
                jobs.sort_by(|a, b| a.id.cmp(&b.id));
            }
            let (jobs, next) = page(jobs.into_iter(), |j| j.id.clone(), r.page_size, &r.page_token);
            v1::ListJobsResponse { position: s.position, jobs, next_page_token: next }
        })))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Reply<v1::GetJobResponse> {
        let who = Identity::of(&request)?;
        Ok(Response::new(self.job(&request.into_inner().id, &who).await?))
    }

    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Reply<v1::GetOperationResponse> {
        let who = Identity::of(&request)?;
        who.needs(AccessRole::Viewer)?;
        Ok(Response::new(self.operation(request.into_inner(), &who).await?))
    }

    async fn list_rejections(
        &self,
        request: Request<v1::ListRejectionsRequest>,
    ) -> Reply<v1::ListRejectionsResponse> {
        Identity::of(&request)?.needs_all(AccessRole::Admin)?;
        Ok(Response::new(self.rejections(request.into_inner()).await?))
    }

    async fn create_kubeconfig(
        &self,
        request: Request<v1::CreateKubeconfigRequest>,
    ) -> Reply<v1::CreateKubeconfigResponse> {
        let who = Identity::of(&request)?;
        let sent = request.into_inner();
        let actor = who.actor(&sent.actor);
        let issued = match who.needs_on(AccessRole::Operator, &sent.cluster) {
            Ok(()) => {
                let request = v1::CreateKubeconfigRequest { actor: actor.clone(), ..sent.clone() };
                self.issue(request).await
            }
            Err(refused) => Err(refused),
        };
        self.answer(issued, &sent, |r| r.told("", &actor, "RecordKubeconfig")).await
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Reply<Self::WatchStream> {
        let who = Identity::of(&request)?;
        who.needs(AccessRole::Viewer)?;
        Ok(Response::new(ReceiverStream::new(self.stream(request.into_inner(), who)?)))
    }
}
