//! The CRI calls that are used, one method each.

mod config;
mod containers;
mod error;
mod images;
mod sandboxes;

pub(crate) use config::{container_config, sandbox_config};
pub use containers::ExecOutput;
pub use error::CriError;

use crate::endpoint::Endpoint;
use crate::traced::Traced;
use k8s_cri::v1 as cri;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use std::time::Duration;
use tonic::{Request, Status};

/// The limit of a call, unless it has another.
const CALL: Duration = Duration::from_secs(60);
const VERSION: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 << 20;

/// A connection to one CRI endpoint. Cheap to clone.
#[derive(Clone)]
pub struct CriClient {
    endpoint: String,
    runtime: RuntimeServiceClient<Traced>,
    images: ImageServiceClient<Traced>,
}

type Result<T> = std::result::Result<T, CriError>;

fn timed<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// The outcome of a call that removes something: it may be gone already.
fn gone(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(e) if e.is_not_found() => Ok(()),
        outcome => outcome,
    }
}

impl CriClient {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// If the endpoint's TLS files cannot be used.
    pub fn new(endpoint: &Endpoint) -> Result<CriClient> {
        let channel = Traced::new(endpoint.channel()?, &endpoint.to_string());
        let runtime = RuntimeServiceClient::new(channel.clone());
        Ok(CriClient {
            endpoint: endpoint.to_string(),
            runtime: runtime.max_decoding_message_size(LARGEST_ANSWER),
            images: ImageServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER),
        })
    }

    fn failed(&self, call: &'static str) -> impl FnOnce(Status) -> CriError {
        let endpoint = self.endpoint.clone();
        move |status| CriError::of(call, endpoint, status)
    }

    /// Name and version of the runtime, for example `containerd v2.3.7`. Answers or fails within
    /// seconds, also if something else listens.
    ///
    /// # Errors
    /// [`CriError::Unreachable`] or [`CriError::NotCri`].
    pub async fn version(&self) -> Result<String> {
        // Without a timeout of the request itself: what never answers is unreachable, and not a
        // failed call.
        let request = Request::new(cri::VersionRequest { version: String::new() });
        let mut runtime = self.runtime.clone();
        let reply = tokio::time::timeout(VERSION, runtime.version(request))
            .await
            .unwrap_or_else(|_| Err(Status::unavailable("no answer within 5 s")))
            .map_err(self.failed("Version"))?
            .into_inner();
        Ok(format!("{} {}", reply.runtime_name, reply.runtime_version))
    }

    /// Those of CRI's conditions RuntimeReady and NetworkReady that do not hold.
    ///
    /// # Errors
    /// If the call fails; so for all below.
    pub async fn unready_conditions(&self) -> Result<Vec<String>> {
        let request = timed(cri::StatusRequest { verbose: false }, CALL);
        let reply =
            self.runtime.clone().status(request).await.map_err(self.failed("Status"))?.into_inner();
        let conditions = reply.status.map(|s| s.conditions).unwrap_or_default();
        Ok(conditions
            .into_iter()
            .filter(|c| !c.status && ["RuntimeReady", "NetworkReady"].contains(&c.r#type.as_str()))
            .map(|c| format!("{}: {}", c.r#type, c.message))
            .collect())
    }

    /// The runtime's container events, from now on.
    pub async fn events(&self) -> Result<tonic::Streaming<cri::ContainerEventResponse>> {
        let reply = self.runtime.clone().get_container_events(cri::GetEventsRequest {}).await;
        Ok(reply.map_err(self.failed("GetContainerEvents"))?.into_inner())
    }
}
