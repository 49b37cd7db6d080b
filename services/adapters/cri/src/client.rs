//! The CRI calls that are used, one method each.

use crate::endpoint::{Endpoint, EndpointError};
use crate::spec::{ContainerSpec, Labels, PodSpec, label};
use crate::traced::Traced;
use k8s_cri::v1 as cri;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use std::time::Duration;
use tonic::{Code, Request, Status};

/// A call that is given up after this long, unless it says otherwise.
const CALL: Duration = Duration::from_secs(60);
const PULL: Duration = Duration::from_secs(600);

/// What a failed call was answered with: the innermost cause in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Answer {
    /// The gRPC code.
    pub code: Code,
    message: String,
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        let mut message = status.message().to_owned();
        let mut source = std::error::Error::source(&status);
        while let Some(cause) = source {
            message = cause.to_string();
            source = cause.source();
        }
        Answer { code: status.code(), message }
    }
}

/// Why a CRI call did not work out.
#[derive(Debug, thiserror::Error)]
pub enum CriError {
    /// The endpoint is not usable.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nothing answers.
    #[error("CRI endpoint {endpoint} does not answer: is the container runtime running there?")]
    Unreachable {
        /// Which.
        endpoint: String,
        /// Why.
        #[source]
        source: Answer,
    },
    /// What answers does not speak CRI.
    #[error("{endpoint} answers, but is not a CRI v1 endpoint")]
    NotCri {
        /// Which.
        endpoint: String,
        /// Why.
        #[source]
        source: Answer,
    },
    /// The runtime refused a call.
    #[error("{call} on {endpoint}")]
    Call {
        /// The method.
        call: &'static str,
        /// Which.
        endpoint: String,
        /// Why.
        #[source]
        source: Answer,
    },
}

impl CriError {
    /// Whether the runtime says that the thing is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CriError::Call { source, .. } if source.code == Code::NotFound)
    }

    /// Whether the runtime says that the request can never succeed: the name of an image is
    /// malformed, for example.
    pub fn is_invalid_argument(&self) -> bool {
        matches!(self, CriError::Call { source, .. } if source.code == Code::InvalidArgument)
    }

    /// Whether the endpoint itself is the trouble, not the call.
    pub fn is_unreachable(&self) -> bool {
        !matches!(self, CriError::Call { .. })
    }
}

/// What a command in a container left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit code.
    pub exit_code: i32,
}

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

impl CriClient {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// Where the endpoint's TLS files are no use.
    pub fn new(endpoint: &Endpoint) -> Result<CriClient> {
        let channel = Traced::new(endpoint.channel()?, &endpoint.to_string());
        Ok(CriClient {
            endpoint: endpoint.to_string(),
            runtime: RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20),
            images: ImageServiceClient::new(channel),
        })
    }

    fn failed(&self, call: &'static str) -> impl FnOnce(Status) -> CriError {
        let endpoint = self.endpoint.clone();
        move |status| {
            let transport = std::error::Error::source(&status).is_some();
            let source = Answer::from(status);
            match source.code {
                Code::Unimplemented => CriError::NotCri { endpoint, source },
                Code::Unavailable => CriError::Unreachable { endpoint, source },
                // Bytes that are no gRPC at all come as a transport error.
                Code::Unknown | Code::Internal if transport => {
                    CriError::NotCri { endpoint, source }
                }
                _ => CriError::Call { call, endpoint, source },
            }
        }
    }

    /// Name and version of the runtime, for example `containerd v2.3.7`. Answers
    /// within seconds also where something else listens.
    ///
    /// # Errors
    /// [`CriError::Unreachable`] or [`CriError::NotCri`].
    pub async fn version(&self) -> Result<String> {
        let limit = Duration::from_secs(5);
        // Timed here alone: what never answers is unreachable, not a failed call.
        let request = Request::new(cri::VersionRequest { version: String::new() });
        let mut runtime = self.runtime.clone();
        let reply = tokio::time::timeout(limit, runtime.version(request))
            .await
            .unwrap_or_else(|_| Err(Status::unavailable("no answer within 5 s")))
            .map_err(self.failed("Version"))?
            .into_inner();
        Ok(format!("{} {}", reply.runtime_name, reply.runtime_version))
    }

    /// Which of CRI's two conditions, RuntimeReady and NetworkReady, do not hold.
    ///
    /// # Errors
    /// Where the call fails; so for all below.
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

    /// Pulls an image unless it is there.
    pub async fn ensure_image(&self, image: &str) -> Result<()> {
        let spec = cri::ImageSpec { image: image.to_owned(), ..Default::default() };
        let request =
            timed(cri::ImageStatusRequest { image: Some(spec.clone()), verbose: false }, CALL);
        let mut images = self.images.clone();
        let status =
            images.image_status(request).await.map_err(self.failed("ImageStatus"))?.into_inner();
        if status.image.is_some() {
            return Ok(());
        }
        tracing::info!(image, "pulling");
        let request =
            timed(cri::PullImageRequest { image: Some(spec), ..Default::default() }, PULL);
        images.pull_image(request).await.map(drop).map_err(self.failed("PullImage"))
    }

    /// All sandboxes with these labels.
    pub async fn sandboxes(&self, labels: &Labels) -> Result<Vec<cri::PodSandbox>> {
        let filter = cri::PodSandboxFilter {
            label_selector: labels.clone().into_iter().collect(),
            ..Default::default()
        };
        let request = timed(cri::ListPodSandboxRequest { filter: Some(filter) }, CALL);
        let reply = self.runtime.clone().list_pod_sandbox(request).await;
        Ok(reply.map_err(self.failed("ListPodSandbox"))?.into_inner().items)
    }

    /// All containers with these labels.
    pub async fn containers(&self, labels: &Labels) -> Result<Vec<cri::Container>> {
        let filter = cri::ContainerFilter {
            label_selector: labels.clone().into_iter().collect(),
            ..Default::default()
        };
        let request = timed(cri::ListContainersRequest { filter: Some(filter) }, CALL);
        let reply = self.runtime.clone().list_containers(request).await;
        Ok(reply.map_err(self.failed("ListContainers"))?.into_inner().containers)
    }

    /// Makes and starts a sandbox; returns its id.
    pub async fn run_sandbox(&self, config: cri::PodSandboxConfig) -> Result<String> {
        let message = cri::RunPodSandboxRequest { config: Some(config), ..Default::default() };
        let reply = self.runtime.clone().run_pod_sandbox(timed(message, CALL)).await;
        Ok(reply.map_err(self.failed("RunPodSandbox"))?.into_inner().pod_sandbox_id)
    }

    /// Stops and removes a sandbox with all its containers. Gone already is well.
    pub async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        let mut runtime = self.runtime.clone();
        let stop = timed(cri::StopPodSandboxRequest { pod_sandbox_id: id.clone() }, CALL);
        match runtime.stop_pod_sandbox(stop).await.map_err(self.failed("StopPodSandbox")) {
            Err(e) if !e.is_not_found() => return Err(e),
            _ => {}
        }
        let remove = timed(cri::RemovePodSandboxRequest { pod_sandbox_id: id }, CALL);
        match runtime.remove_pod_sandbox(remove).await.map_err(self.failed("RemovePodSandbox")) {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }

    /// Makes a container in a sandbox, not started; returns its id.
    pub async fn create_container(
        &self,
        sandbox: &str,
        sandbox_config: cri::PodSandboxConfig,
        config: cri::ContainerConfig,
    ) -> Result<String> {
        let message = cri::CreateContainerRequest {
            pod_sandbox_id: sandbox.to_owned(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        let reply = self.runtime.clone().create_container(timed(message, CALL)).await;
        Ok(reply.map_err(self.failed("CreateContainer"))?.into_inner().container_id)
    }

    /// Starts a container.
    pub async fn start_container(&self, id: &str) -> Result<()> {
        let message = cri::StartContainerRequest { container_id: id.to_owned() };
        let reply = self.runtime.clone().start_container(timed(message, CALL)).await;
        reply.map(drop).map_err(self.failed("StartContainer"))
    }

    /// With which code a container ended; none while it has not.
    pub async fn exit_code(&self, id: &str) -> Result<Option<i32>> {
        let message = cri::ContainerStatusRequest { container_id: id.to_owned(), verbose: false };
        let reply = self.runtime.clone().container_status(timed(message, CALL)).await;
        let status = reply.map_err(self.failed("ContainerStatus"))?.into_inner().status;
        let exited = cri::ContainerState::ContainerExited as i32;
        Ok(status.filter(|s| s.state == exited).map(|s| s.exit_code))
    }

    /// Stops a container, killing it after `grace`, and removes it. Gone already is
    /// well.
    pub async fn remove_container(&self, id: &str, grace: Duration) -> Result<()> {
        let mut runtime = self.runtime.clone();
        let timeout = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let stop = cri::StopContainerRequest { container_id: id.to_owned(), timeout };
        match runtime
            .stop_container(timed(stop, CALL + grace))
            .await
            .map_err(self.failed("StopContainer"))
        {
            Err(e) if !e.is_not_found() => return Err(e),
            _ => {}
        }
        let remove = cri::RemoveContainerRequest { container_id: id.to_owned() };
        match runtime
            .remove_container(timed(remove, CALL))
            .await
            .map_err(self.failed("RemoveContainer"))
        {
            Err(e) if !e.is_not_found() => Err(e),
            _ => Ok(()),
        }
    }

    /// Runs a command in a container and waits for its end. Its arguments are
    /// visible on the hypervisor: no secrets in them.
    pub async fn exec(
        &self,
        id: &str,
        command: Vec<String>,
        limit: Duration,
    ) -> Result<ExecOutput> {
        let message = cri::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command,
            timeout: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        };
        let request = timed(message, limit + Duration::from_secs(5));
        let reply =
            self.runtime.clone().exec_sync(request).await.map_err(self.failed("ExecSync"))?;
        let cri::ExecSyncResponse { stdout, stderr, exit_code } = reply.into_inner();
        Ok(ExecOutput { stdout, stderr, exit_code })
    }

    /// The runtime's container events, from now on.
    pub async fn events(&self) -> Result<tonic::Streaming<cri::ContainerEventResponse>> {
        let reply = self.runtime.clone().get_container_events(cri::GetEventsRequest {}).await;
        Ok(reply.map_err(self.failed("GetContainerEvents"))?.into_inner())
    }
}

fn namespaces(pod: &PodSpec) -> cri::NamespaceOption {
    let (network, pid) = if pod.on_host {
        (cri::NamespaceMode::Node, cri::NamespaceMode::Node)
    } else {
        (cri::NamespaceMode::Pod, cri::NamespaceMode::Container)
    };
    cri::NamespaceOption {
        network: network.into(),
        pid: pid.into(),
        ipc: cri::NamespaceMode::Pod.into(),
        ..Default::default()
    }
}

/// The sandbox's configuration, as CRI wants it.
pub(crate) fn sandbox_config(pod: &PodSpec) -> cri::PodSandboxConfig {
    let mut labels = pod.labels.clone();
    labels.extend(pod.identity.clone());
    labels.insert(label::GENERATION.to_owned(), pod.generation.to_string());
    cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            namespace: pod.namespace.clone(),
            attempt: 0,
        }),
        hostname: if pod.on_host { String::new() } else { pod.hostname.clone() },
        log_directory: pod.log_directory.clone(),
        port_mappings: pod
            .ports
            .iter()
            .map(|p| cri::PortMapping {
                protocol: if p.udp { cri::Protocol::Udp } else { cri::Protocol::Tcp }.into(),
                container_port: p.container_port.into(),
                host_port: p.host_port.into(),
                host_ip: String::new(),
            })
            .collect(),
        labels: labels.into_iter().collect(),
        annotations: [(label::SPEC_HASH.to_owned(), pod.sandbox_hash())].into(),
        linux: Some(cri::LinuxPodSandboxConfig {
            security_context: Some(cri::LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(pod)),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What interfaces are made with.
fn tun_device() -> cri::Device {
    let path = "/dev/net/tun".to_owned();
    cri::Device { container_path: path.clone(), host_path: path, permissions: "rw".to_owned() }
}

/// A container's configuration, as CRI wants it.
///
/// `attempt` tells containers of the same name apart.
pub(crate) fn container_config(
    pod: &PodSpec,
    container: &ContainerSpec,
    attempt: u32,
) -> cri::ContainerConfig {
    let mut labels = pod.identity.clone();
    labels.insert(label::GENERATION.to_owned(), pod.generation.to_string());
    cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: container.name.clone(), attempt }),
        image: Some(cri::ImageSpec { image: container.image.clone(), ..Default::default() }),
        command: container.command.clone(),
        envs: container
            .env
            .iter()
            .chain(&container.first_start_env)
            .map(|(key, value)| cri::KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
        mounts: container
            .mounts
            .iter()
            .map(|m| cri::Mount {
                container_path: m.container_path.clone(),
                host_path: m.host_path.clone(),
                readonly: m.read_only,
                ..Default::default()
            })
            .collect(),
        labels: labels.into_iter().collect(),
        annotations: [(label::SPEC_HASH.to_owned(), container.hash())].into(),
        log_path: format!("{}.log", container.name),
        devices: container.has_tunnel.then(tun_device).into_iter().collect(),
        linux: Some(cri::LinuxContainerConfig {
            security_context: Some(cri::LinuxContainerSecurityContext {
                // Files are mode 0600 and root's; images differ in their user.
                run_as_user: Some(cri::Int64Value { value: 0 }),
                namespace_options: Some(namespaces(pod)),
                no_new_privs: true,
                capabilities: container.has_tunnel.then(|| cri::Capability {
                    add_capabilities: vec!["NET_ADMIN".to_owned()],
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
