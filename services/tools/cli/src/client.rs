//! Calls to the server: tried again, under the same command id, while it is away.

use crate::error::{Failure, transport_cause};
use oi_proto::v1::oi_client::OiClient;
use oi_proto::v1::{self, submit_request::Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};
use uuid::Uuid;

/// A connection to oi-server.
#[derive(Clone)]
pub struct Client {
    server: String,
    actor: String,
    api: OiClient<Channel>,
    /// Until when a server that is away is waited for.
    pub patience: Instant,
    /// The position that the first command expects; 0 for any.
    expected: Arc<AtomicU64>,
    /// Commands are only gathered here, for a plan.
    planned: Option<Arc<Mutex<Vec<v1::SubmitRequest>>>>,
}

/// For those without a login, such as programs in containers.
fn user_id() -> String {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata("/proc/self").map(|m| m.uid()) {
        Ok(0) => "root".to_owned(),
        Ok(uid) => format!("uid{uid}"),
        Err(_) => "unknown".to_owned(),
    }
}

fn default_actor() -> String {
    let user = ["USER", "LOGNAME"].iter().find_map(|v| std::env::var(v).ok());
    let user = user.unwrap_or_else(user_id);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", host.trim())
}

/// The stable word of a rejection.
fn code(status: &Status) -> Option<&str> {
    status.metadata().get("oi-code").and_then(|v| v.to_str().ok())
}

/// Whether the same call may well succeed a moment later.
fn passing(status: &Status) -> bool {
    matches!(code(status), Some("busy" | "backlog-full"))
        || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
        || (status.code() == Code::Unknown && std::error::Error::source(status).is_some())
}

/// All events of a cluster, or of all, from a position on.
pub fn events_from(position: u64, cluster: &str) -> v1::WatchRequest {
    v1::WatchRequest {
        from_position: position,
        cluster: cluster.to_owned(),
        ..v1::WatchRequest::default()
    }
}

impl Client {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// Where the address is malformed.
    pub fn new(
        server: &str,
        tls: Option<ClientTlsConfig>,
        actor: Option<String>,
    ) -> Result<Client, Failure> {
        let malformed = |_| Failure::Server(server.to_owned());
        let mut endpoint = Endpoint::from_shared(server.to_owned()).map_err(malformed)?;
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).map_err(malformed)?;
        }
        let endpoint = endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true);
        Ok(Client {
            server: server.to_owned(),
            actor: actor.unwrap_or_else(default_actor),
            api: OiClient::new(endpoint.connect_lazy()),
            patience: Instant::now(),
            expected: Arc::default(),
            planned: None,
        })
    }

    /// Refuses the first command unless the log is at this position.
    pub fn expecting(self, position: u64) -> Client {
        self.expected.store(position, Ordering::Relaxed);
        self
    }

    /// Submits nothing, but gathers what would be.
    pub fn planning(mut self) -> Client {
        self.planned = Some(Arc::default());
        self
    }

    /// Whether commands are only gathered: then there is nothing to wait for.
    pub fn is_planning(&self) -> bool {
        self.planned.is_some()
    }

    /// What the gathered commands would do.
    ///
    /// # Errors
    /// Where the server is away.
    pub async fn plan(&self) -> Result<v1::PlanResponse, Failure> {
        let gathered = self.planned.as_ref().map(|p| p.lock().map(|g| g.clone()));
        let commands = gathered.and_then(Result::ok).unwrap_or_default();
        self.call(v1::PlanRequest { commands }, async |mut api, r| api.plan(r).await).await
    }

    /// The backups of a cluster, the oldest first.
    pub async fn backups(&self, cluster: &str) -> Result<v1::ListBackupsResponse, Failure> {
        let request = v1::ListBackupsRequest { cluster: cluster.to_owned() };
        self.call(request, async |mut api, r| api.list_backups(r).await).await
    }

    /// The client certificates of a cluster.
    pub async fn kubeconfigs(&self, cluster: &str) -> Result<Vec<v1::Kubeconfig>, Failure> {
        let request = v1::ListKubeconfigsRequest { cluster: cluster.to_owned() };
        let reply = self.call(request, async |mut api, r| api.list_kubeconfigs(r).await).await?;
        Ok(reply.kubeconfigs)
    }

    /// The join tokens of a cluster.
    pub async fn join_tokens(&self, cluster: &str) -> Result<Vec<v1::JoinToken>, Failure> {
        let request = v1::ListJoinTokensRequest { cluster: cluster.to_owned() };
        let reply = self.call(request, async |mut api, r| api.list_join_tokens(r).await).await?;
        Ok(reply.tokens)
    }

    /// A join token by its id, or that of the command that asked for it.
    pub async fn join_token(
        &self,
        cluster: &str,
        id: &str,
    ) -> Result<v1::GetJoinTokenResponse, Failure> {
        let request = v1::GetJoinTokenRequest { cluster: cluster.to_owned(), token: id.to_owned() };
        self.call(request, async |mut api, r| api.get_join_token(r).await).await
    }

    /// Waits this long for a server that is away.
    pub fn patient(mut self, limit: Duration) -> Client {
        self.patience = Instant::now() + limit;
        self
    }

    fn failure(&self, status: Status) -> Failure {
        match code(&status) {
            // The rules were not asked.
            None | Some("malformed" | "not-found" | "unavailable" | "undecided") => {}
            Some(code) => {
                let message = status.message().to_owned();
                return Failure::Rejected { code: code.to_owned(), message };
            }
        }
        match status.code() {
            Code::Unavailable => {
                let server = self.server.clone();
                match transport_cause(&status) {
                    Some(cause) => Failure::Unreachable { server, cause },
                    None => Failure::Unavailable { server, cause: status.message().to_owned() },
                }
            }
            Code::NotFound => Failure::NotFound(status.message().to_owned()),
            _ => Failure::Call(Box::new(status)),
        }
    }

    /// Sends a request, until it is answered or the patience is over.
    async fn call<R: Clone, T>(
        &self,
        request: R,
        call: impl AsyncFn(OiClient<Channel>, R) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, Failure> {
        let mut pause = Duration::from_millis(50);
        loop {
            match call(self.api.clone(), request.clone()).await {
                Ok(reply) => return Ok(reply.into_inner()),
                Err(status) if passing(&status) && Instant::now() < self.patience => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(status) => return Err(self.failure(status)),
            }
        }
    }

    /// Submits a command and waits for its decision.
    ///
    /// # Errors
    /// [`Failure::Refused`] with the rule's own words.
    pub async fn submit(&self, command: Command) -> Result<v1::SubmitResponse, Failure> {
        self.submit_under(Uuid::now_v7(), command).await
    }

    /// The same; returns the command's id, by which what it made can be found.
    ///
    /// # Errors
    /// [`Failure::Refused`] with the rule's own words.
    pub async fn submit_as(&self, command: Command) -> Result<String, Failure> {
        let id = Uuid::now_v7();
        self.submit_under(id, command).await.map(|_| id.to_string())
    }

    async fn submit_under(
        &self,
        id: Uuid,
        command: Command,
    ) -> Result<v1::SubmitResponse, Failure> {
        let request = v1::SubmitRequest {
            command_id: id.to_string(),
            actor: self.actor.clone(),
            issued_at_ms: 0,
            expected_position: self.expected.swap(0, Ordering::Relaxed),
            command: Some(command),
        };
        if let Some(mut planned) = self.planned.as_ref().and_then(|p| p.lock().ok()) {
            planned.push(request);
            return Ok(v1::SubmitResponse::default());
        }
        self.call(request, async |mut api, r| api.submit(r).await).await
    }

    /// The server's position and state hash.
    pub async fn status(&self) -> Result<v1::GetStatusResponse, Failure> {
        self.call(v1::GetStatusRequest {}, async |mut api, r| api.get_status(r).await).await
    }

    /// All hypervisors.
    pub async fn hypervisors(&self) -> Result<Vec<v1::Hypervisor>, Failure> {
        let reply = self.call(v1::ListHypervisorsRequest::default(), async |mut api, r| {
            api.list_hypervisors(r).await
        });
        Ok(reply.await?.hypervisors)
    }

    /// One cluster.
    ///
    /// # Errors
    /// Also where there is none of that name.
    pub async fn cluster(&self, name: &str) -> Result<v1::Cluster, Failure> {
        let found = self.clusters(name).await?.into_iter().next();
        found.ok_or_else(|| Failure::NotFound(format!("cluster {name} is not known")))
    }

    /// All clusters, or the one of that name.
    pub async fn clusters(&self, name: &str) -> Result<Vec<v1::Cluster>, Failure> {
        Ok(self.clusters_at(name).await?.clusters)
    }

    /// The same with the log position of the answer: a watch from the next one on misses
    /// nothing, whichever server answers it.
    pub async fn clusters_at(&self, name: &str) -> Result<v1::ListClustersResponse, Failure> {
        let request = v1::ListClustersRequest { name: name.to_owned(), ..Default::default() };
        self.call(request, async |mut api, r| api.list_clusters(r).await).await
    }

    /// All nodes, or those of a cluster.
    pub async fn nodes(&self, cluster: &str) -> Result<Vec<v1::Node>, Failure> {
        let request = v1::ListNodesRequest { cluster: cluster.to_owned(), ..Default::default() };
        let reply = self.call(request, async |mut api, r| api.list_nodes(r).await);
        Ok(reply.await?.nodes)
    }

    /// All jobs, or those for a cluster.
    pub async fn jobs(&self, cluster: &str) -> Result<Vec<v1::Job>, Failure> {
        self.jobs_in(cluster, v1::JobState::Unspecified).await
    }

    /// The same, only those in a state.
    pub async fn jobs_in(
        &self,
        cluster: &str,
        state: v1::JobState,
    ) -> Result<Vec<v1::Job>, Failure> {
        let (cluster, state) = (cluster.to_owned(), state.into());
        let request = v1::ListJobsRequest { cluster, state, ..Default::default() };
        let reply = self.call(request, async |mut api, r| api.list_jobs(r).await);
        Ok(reply.await?.jobs)
    }

    /// A job with its cause and its attempts.
    pub async fn job(&self, id: &str) -> Result<v1::GetJobResponse, Failure> {
        let request = v1::GetJobRequest { id: id.to_owned() };
        self.call(request, async |mut api, r| api.get_job(r).await).await
    }

    /// A new kubeconfig; the actor is filled in.
    pub async fn kubeconfig(
        &self,
        request: v1::CreateKubeconfigRequest,
    ) -> Result<v1::CreateKubeconfigResponse, Failure> {
        if self.is_planning() {
            return Err(Failure::Input(
                "issuing a kubeconfig cannot be planned: it changes nothing that runs".to_owned(),
            ));
        }
        let request = v1::CreateKubeconfigRequest { actor: self.actor.clone(), ..request };
        self.call(request, async |mut api, r| api.create_kubeconfig(r).await).await
    }

    /// The newest rejections, the newest first.
    pub async fn rejections(&self, count: u32) -> Result<Vec<v1::Rejection>, Failure> {
        let request = v1::ListRejectionsRequest { page_size: count, page_token: String::new() };
        let reply = self.call(request, async |mut api, r| api.list_rejections(r).await);
        Ok(reply.await?.rejections)
    }

    /// Events as they happen.
    pub async fn watch(
        &self,
        request: v1::WatchRequest,
    ) -> Result<tonic::Streaming<v1::WatchResponse>, Failure> {
        self.call(request, async |mut api, r| api.watch(r).await).await
    }
}
