//! The service itself, with health and reflection.

use crate::{command, query};
use oi_events::{ClusterName, CommandEnvelope, Outcome, chain};
use oi_journal::{Journal, RequestError};
use oi_proto::v1::{self, oi_server::Oi, oi_server::OiServer};
use oi_view::{Keyring, View};
use std::net::SocketAddr;
use std::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

/// How long a command waits for its decision unless the client says less.
const DECISION: Duration = Duration::from_secs(10);

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

/// The API of a server.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) journal: Journal,
    pub(crate) view: View,
    pub(crate) keyring: Keyring,
    version: &'static str,
}

/// The gRPC code that says most about a refusal.
fn grpc_code(code: &str) -> Code {
    match code {
        "cluster-exists" | "node-exists" | "hypervisor-exists" => Code::AlreadyExists,
        "backup-unknown" | "cluster-unknown" | "node-unknown" | "hypervisor-unknown"
        | "job-unknown" => Code::NotFound,
        "invalid" | "overlap" | "version-unsupported" | "hypervisor-invalid" => {
            Code::InvalidArgument
        }
        "ports-exhausted" | "no-hypervisor" => Code::ResourceExhausted,
        "position-moved" => Code::Aborted,
        _ => Code::FailedPrecondition,
    }
}

fn cluster_filter(name: &str) -> Result<Option<ClusterName>, Status> {
    if name.is_empty() { Ok(None) } else { command::parse("cluster", name).map(Some) }
}

impl Gateway {
    /// A gateway over a log, its view and the keys, in a server of this version.
    pub fn new(journal: Journal, view: View, keyring: Keyring, version: &'static str) -> Gateway {
        Gateway { journal, view, keyring, version }
    }

    /// Serves until `stop` resolves; requests in hand are finished.
    ///
    /// # Errors
    /// Where the address is taken.
    pub async fn serve(
        self,
        address: SocketAddr,
        stop: impl Future<Output = ()>,
    ) -> Result<(), GatewayError> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| GatewayError::Listen { address, source })?;
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<OiServer<Gateway>>().await;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(GatewayError::Reflection)?;
        tracing::info!(%address, "API served");
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .add_service(health_service)
            .add_service(reflection)
            .add_service(OiServer::new(self))
            .serve_with_incoming_shutdown(incoming, stop)
            .await
            .map_err(GatewayError::Serve)
    }

    /// Stores a command and waits for its decision.
    pub(crate) async fn decide(
        &self,
        envelope: CommandEnvelope,
    ) -> Result<v1::SubmitResponse, Status> {
        let outcome = self.journal.request(&envelope, DECISION).await.map_err(|e| match e {
            RequestError::Timeout { .. } => Status::deadline_exceeded(e.to_string()),
            _ => Status::unavailable(chain(&e)),
        })?;
        let (position, unchanged) = match outcome {
            Outcome::Committed { position } => (position, false),
            Outcome::Unchanged { position } => (position, true),
            Outcome::Rejected { code, message } => {
                let mut status = Status::new(grpc_code(&code), message);
                if let Ok(value) = MetadataValue::try_from(code.as_str()) {
                    status.metadata_mut().insert("oi-code", value);
                }
                return Err(status);
            }
        };
        // What was asked for is seen by whoever asks next.
        let seen = tokio::time::timeout(DECISION, self.view.wait_for(position)).await;
        match seen {
            Ok(Ok(())) => Ok(v1::SubmitResponse { position, unchanged }),
            _ => Err(Status::unavailable("the view does not keep up with the log")),
        }
    }
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Oi for Gateway {
    type WatchStream = ReceiverStream<Result<v1::WatchResponse, Status>>;

    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Reply<v1::SubmitResponse> {
        let envelope = command::envelope(request.into_inner())?;
        self.decide(envelope).await.map(Response::new)
    }

    async fn get_status(&self, _: Request<v1::GetStatusRequest>) -> Reply<v1::GetStatusResponse> {
        let (position, hash, head) = self.view.read(|s| (s.position, s.hash(), s.head));
        Ok(Response::new(v1::GetStatusResponse {
            position,
            state_hash: hash.to_string(),
            head: head.to_string(),
            version: self.version.to_owned(),
        }))
    }

    async fn plan(&self, request: Request<v1::PlanRequest>) -> Reply<v1::PlanResponse> {
        let commands: Vec<CommandEnvelope> = request
            .into_inner()
            .commands
            .into_iter()
            .map(command::planned)
            .collect::<Result<_, _>>()?;
        // On a copy, so that nobody waits for it.
        let state = self.view.read(Clone::clone);
        Ok(Response::new(query::plan(&oi_domain::plan(&state, &commands, oi_view::now_ms()))))
    }

    async fn list_backups(
        &self,
        request: Request<v1::ListBackupsRequest>,
    ) -> Reply<v1::ListBackupsResponse> {
        let name = command::parse("cluster", &request.into_inner().cluster)?;
        let found = self.view.read(|s| s.clusters.get(&name).map(|c| query::backups(c)));
        let unknown = || Status::not_found(format!("cluster {name} is not known"));
        found.map(Response::new).ok_or_else(unknown)
    }

    async fn list_kubeconfigs(
        &self,
        request: Request<v1::ListKubeconfigsRequest>,
    ) -> Reply<v1::ListKubeconfigsResponse> {
        let name: ClusterName = command::parse("cluster", &request.into_inner().cluster)?;
        let found = self.view.read(|s| s.clusters.get(&name).map(|c| query::kubeconfigs(c)));
        let kubeconfigs =
            found.ok_or_else(|| Status::not_found(format!("cluster {name} is not known")))?;
        Ok(Response::new(v1::ListKubeconfigsResponse { kubeconfigs }))
    }

    async fn list_hypervisors(
        &self,
        _: Request<v1::ListHypervisorsRequest>,
    ) -> Reply<v1::ListHypervisorsResponse> {
        Ok(Response::new(self.view.read(|s| v1::ListHypervisorsResponse {
            position: s.position,
            hypervisors: s.hypervisors.values().map(|h| query::hypervisor(s, h)).collect(),
        })))
    }

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Reply<v1::ListClustersResponse> {
        let wanted = cluster_filter(&request.into_inner().name)?;
        Ok(Response::new(self.view.read(|s| {
            let clusters = query::clusters(s, wanted.as_ref());
            v1::ListClustersResponse {
                position: s.position,
                clusters: clusters.map(|(name, c)| query::cluster(s, name, c)).collect(),
            }
        })))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Reply<v1::ListNodesResponse> {
        let wanted = cluster_filter(&request.into_inner().cluster)?;
        Ok(Response::new(self.view.read(|s| {
            let clusters = query::clusters(s, wanted.as_ref());
            let nodes = clusters.flat_map(|(cluster, c)| {
                c.nodes.iter().map(move |(name, n)| query::node(cluster, name, n))
            });
            v1::ListNodesResponse { position: s.position, nodes: nodes.collect() }
        })))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Reply<v1::ListJobsResponse> {
        let wanted = cluster_filter(&request.into_inner().cluster)?;
        Ok(Response::new(self.view.read(|s| v1::ListJobsResponse {
            position: s.position,
            jobs: query::jobs(s, wanted.as_ref()),
        })))
    }

    async fn create_kubeconfig(
        &self,
        request: Request<v1::CreateKubeconfigRequest>,
    ) -> Reply<v1::CreateKubeconfigResponse> {
        self.issue(request.into_inner()).await.map(Response::new)
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Reply<Self::WatchStream> {
        Ok(Response::new(ReceiverStream::new(self.stream(request.into_inner()))))
    }
}
