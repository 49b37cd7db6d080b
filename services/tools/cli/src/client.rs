//! Calls to the server: tried again, under the same command id, while it is away.

use crate::error::{Failure, is_lost, is_passing};
use crate::tls::{Probe, Tls, advice};
use oi_proto::v1::oi_client::OiClient;
use oi_proto::v1::{self, submit_request::Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// A connection to oi-server.
#[derive(Clone)]
pub struct Client {
    server: String,
    actor: String,
    api: OiClient<Channel>,
    /// Where TLS is spoken.
    probe: Option<Arc<Probe>>,
    /// Until when a server that is away is waited for.
    patience: Instant,
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
    let user = ["USER", "LOGNAME"].iter().find_map(|name| {
        let Ok(user) = std::env::var(name) else { return None };
        Some(user)
    });
    let user = user.unwrap_or_else(user_id);
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(host) => format!("{user}@{}", host.trim()),
        Err(_) => format!("{user}@unknown"),
    }
}

impl Client {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// Where the address is malformed, or a file cannot be read.
    pub fn new(server: &str, tls: &Tls, actor: Option<String>) -> Result<Client, Failure> {
        let malformed = |_| Failure::Server(server.to_owned());
        let (probe, tls) = (tls.probe(server), tls.config()?);
        let mut endpoint = Endpoint::from_shared(server.to_owned()).map_err(malformed)?;
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).map_err(malformed)?;
        }
        let endpoint = endpoint.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true);
        Ok(Client {
            server: server.to_owned(),
            actor: actor.unwrap_or_else(default_actor),
            api: OiClient::new(endpoint.connect_lazy()),
            probe: probe.map(Arc::new),
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

    /// Waits this long for a server that is away.
    pub fn patient(mut self, limit: Duration) -> Client {
        self.patience = Instant::now() + limit;
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
        let gathered = self.gathered().map(|all| all.clone());
        self.ask_for_plan(gathered.unwrap_or_default()).await
    }

    /// The commands so far, if they are only gathered.
    fn gathered(&self) -> Option<MutexGuard<'_, Vec<v1::SubmitRequest>>> {
        self.planned.as_ref().map(|all| all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What these commands would do, one after the other.
    ///
    /// # Errors
    /// Where the server is away.
    pub async fn plan_of(
        &self,
        commands: impl Iterator<Item = Command>,
    ) -> Result<v1::PlanResponse, Failure> {
        let request = |command| v1::SubmitRequest { command: Some(command), ..Default::default() };
        self.ask_for_plan(commands.map(request).collect()).await
    }

    async fn ask_for_plan(
        &self,
        commands: Vec<v1::SubmitRequest>,
    ) -> Result<v1::PlanResponse, Failure> {
        self.call(v1::PlanRequest { commands }, async |mut api, r| api.plan(r).await).await
    }

    /// Who asks, for requests that record it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Why there is no TLS with the server, where that is why a call failed.
    async fn refusal(&self, status: &Status) -> Option<Failure> {
        let probe = self.probe.as_ref().filter(|_| is_lost(status))?;
        let server = self.server.clone();
        let source = Box::new(probe.refusal().await?);
        Some(Failure::Refused { server, advice: advice(&source), source })
    }

    /// Sends a request, until it is answered, refused by TLS, or the patience is over.
    ///
    /// # Errors
    /// What the last answer means.
    pub async fn call<R: Clone, T>(
        &self,
        request: R,
        call: impl AsyncFn(OiClient<Channel>, R) -> Result<tonic::Response<T>, Status>,
    ) -> Result<T, Failure> {
        let mut pause = Duration::from_millis(50);
        loop {
            let status = match call(self.api.clone(), request.clone()).await {
                Ok(reply) => return Ok(reply.into_inner()),
                Err(status) => status,
            };
            // The files are not read again: no patience helps.
            if let Some(refused) = self.refusal(&status).await {
                return Err(refused);
            }
            if !is_passing(&status) || Instant::now() >= self.patience {
                return Err(Failure::of(status, &self.server));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Submits a command and waits for its decision.
    ///
    /// # Errors
    /// [`Failure::Rejected`] with the rule's own words.
    pub async fn submit(&self, command: impl Into<Command>) -> Result<v1::SubmitResponse, Failure> {
        self.submit_under(Uuid::now_v7(), command.into()).await
    }

    /// Submits a command; returns its id, by which what it made can be found.
    ///
    /// # Errors
    /// [`Failure::Rejected`] with the rule's own words.
    pub async fn submit_as(&self, command: impl Into<Command>) -> Result<String, Failure> {
        let id = Uuid::now_v7();
        self.submit_under(id, command.into()).await.map(|_| id.to_string())
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
        if let Some(mut gathered) = self.gathered() {
            gathered.push(request);
            return Ok(v1::SubmitResponse::default());
        }
        self.call(request, async |mut api, r| api.submit(r).await).await
    }
}
