//! An in-memory CRI behind a real socket, for unit and scale tests.
//!
//! Like a real runtime it refuses a second sandbox or container of the same name.
//! `ExecSync` does what the helper would, on a directory of the test.

mod etcd;

use k8s_cri::v1 as cri;
use k8s_cri::v1::image_service_server::{ImageService, ImageServiceServer};
use k8s_cri::v1::runtime_service_server::{RuntimeService, RuntimeServiceServer};
use oi_helper::{Opener, apply, read_sealed};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream, UnixListenerStream};
use tonic::{Request, Response, Status};

/// What a snapshot of etcd is here.
const SNAPSHOT: &str = "a snapshot";

/// When an injected failure strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Nothing has happened then.
    Before,
    /// It has happened, but the caller does not hear of it.
    After,
}

#[derive(Default)]
struct Inner {
    next: u64,
    sandboxes: BTreeMap<String, cri::PodSandbox>,
    containers: BTreeMap<String, cri::Container>,
    images: BTreeSet<String>,
    calls: BTreeMap<&'static str, u64>,
    failures: BTreeMap<(&'static str, When), u64>,
    commands: BTreeMap<String, Vec<String>>,
    mounts: BTreeMap<String, Vec<cri::Mount>>,
    etcd: etcd::Members,
}

/// The fake runtime. Clones share everything.
#[derive(Clone)]
pub struct FakeCri {
    inner: Arc<Mutex<Inner>>,
    events: broadcast::Sender<cri::ContainerEventResponse>,
    opener: Arc<Opener>,
    root: PathBuf,
}

/// A served fake; it stops when this is dropped.
pub struct Serving(tokio::task::JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FakeCri {
    /// An empty runtime whose helper writes below `root` only.
    pub fn new(root: &Path) -> FakeCri {
        FakeCri {
            inner: Arc::default(),
            events: broadcast::channel(1024).0,
            opener: Arc::default(),
            root: root.to_owned(),
        }
    }

    /// Serves it on a unix socket.
    ///
    /// # Errors
    /// Where the socket cannot be made.
    pub fn serve(&self, socket: &Path) -> std::io::Result<Serving> {
        let listener = tokio::net::UnixListener::bind(socket)?;
        let server = tonic::transport::Server::builder()
            .add_service(RuntimeServiceServer::new(self.clone()))
            .add_service(ImageServiceServer::new(self.clone()));
        Ok(Serving(tokio::spawn(async move {
            let _ = server.serve_with_incoming(UnixListenerStream::new(listener)).await;
        })))
    }

    /// Serves it on a TCP port with mutual TLS.
    ///
    /// # Errors
    /// Where the TLS settings are no use.
    pub fn serve_tls(
        &self,
        listener: tokio::net::TcpListener,
        tls: tonic::transport::ServerTlsConfig,
    ) -> Result<Serving, tonic::transport::Error> {
        let server = tonic::transport::Server::builder()
            .tls_config(tls)?
            .add_service(RuntimeServiceServer::new(self.clone()))
            .add_service(ImageServiceServer::new(self.clone()));
        Ok(Serving(tokio::spawn(async move {
            let _ = server.serve_with_incoming(TcpListenerStream::new(listener)).await;
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next call of a method fail, once however often it is asked for.
    pub fn fail_once(&self, method: &'static str, when: When) {
        self.lock().failures.insert((method, when), 1);
    }

    /// How often each method was called.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.lock().calls.clone()
    }

    /// All sandboxes.
    pub fn sandboxes(&self) -> Vec<cri::PodSandbox> {
        self.lock().sandboxes.values().cloned().collect()
    }

    /// All containers.
    pub fn containers(&self) -> Vec<cri::Container> {
        self.lock().containers.values().cloned().collect()
    }

    /// A container dies.
    pub fn kill_container(&self, id: &str) {
        if let Some(c) = self.lock().containers.get_mut(id) {
            c.state = cri::ContainerState::ContainerExited.into();
        }
        let _ = self.events.send(cri::ContainerEventResponse {
            container_id: id.to_owned(),
            container_event_type: cri::ContainerEventType::ContainerStoppedEvent.into(),
            ..Default::default()
        });
    }

    fn enter(&self, method: &'static str) -> Result<MutexGuard<'_, Inner>, Status> {
        let mut inner = self.lock();
        *inner.calls.entry(method).or_default() += 1;
        inner.strike(method, When::Before)?;
        Ok(inner)
    }
}

impl Inner {
    /// What `/version` says on a port, made of the image's tag of the API server there.
    fn api_server_version(&self, port: &str) -> String {
        let flag = format!("--secure-port={port}");
        let serves =
            |id: &String| self.commands.get(id).is_some_and(|command| command.contains(&flag));
        let runs = |c: &&cri::Container| {
            c.state == cri::ContainerState::ContainerRunning as i32 && serves(&c.id)
        };
        let image = self.containers.values().find(runs).and_then(|c| c.image.as_ref());
        let tag = image.and_then(|i| i.image.rsplit_once(':')).map_or("", |(_, tag)| tag);
        format!("{{\"gitVersion\": \"{tag}\"}}")
    }

    fn strike(&mut self, method: &'static str, when: When) -> Result<(), Status> {
        match self.failures.get_mut(&(method, when)) {
            Some(n) if *n > 0 => {
                *n -= 1;
                Err(Status::internal(format!("injected {when:?} {method}")))
            }
            _ => Ok(()),
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}{:08}", self.next)
    }

    /// `etcdctl snapshot save PATH`: something is in the file that a mount leads to.
    fn save_snapshot(&self, container: &str, cmd: &[String]) -> String {
        let path = cmd.last().map(String::as_str).unwrap_or_default();
        for mount in self.mounts.get(container).into_iter().flatten() {
            if let Some(rest) = path.strip_prefix(&mount.container_path) {
                let _ = std::fs::write(format!("{}{rest}", mount.host_path), SNAPSHOT);
            }
        }
        String::new()
    }

    fn remove_sandbox(&mut self, id: &str) {
        self.sandboxes.remove(id);
        self.containers.retain(|_, c| c.pod_sandbox_id != id);
    }
}

fn selected(
    labels: &std::collections::HashMap<String, String>,
    by: &std::collections::HashMap<String, String>,
) -> bool {
    by.iter().all(|(k, v)| labels.get(k) == Some(v))
}

type Reply<T> = Result<Response<T>, Status>;

/// What `async_trait` makes of `async fn`: it does not look into other macros.
type Later<'a, T> = std::pin::Pin<Box<dyn Future<Output = Reply<T>> + Send + 'a>>;

macro_rules! unimplemented_calls {
    ($($name:ident($request:ident) -> $response:ident;)*) => {
        $( fn $name<'life0, 'async_trait>(
            &'life0 self,
            _: Request<cri::$request>,
        ) -> Later<'async_trait, cri::$response>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        } )*
    };
}

#[tonic::async_trait]
impl RuntimeService for FakeCri {
    type GetContainerEventsStream = std::pin::Pin<
        Box<dyn tokio_stream::Stream<Item = Result<cri::ContainerEventResponse, Status>> + Send>,
    >;

    async fn version(&self, _: Request<cri::VersionRequest>) -> Reply<cri::VersionResponse> {
        drop(self.enter("Version")?);
        Ok(Response::new(cri::VersionResponse {
            version: "0.1.0".to_owned(),
            runtime_name: "fake".to_owned(),
            runtime_version: "v1".to_owned(),
            runtime_api_version: "v1".to_owned(),
        }))
    }

    async fn status(&self, _: Request<cri::StatusRequest>) -> Reply<cri::StatusResponse> {
        drop(self.enter("Status")?);
        Ok(Response::new(cri::StatusResponse::default()))
    }

    async fn run_pod_sandbox(
        &self,
        request: Request<cri::RunPodSandboxRequest>,
    ) -> Reply<cri::RunPodSandboxResponse> {
        let mut inner = self.enter("RunPodSandbox")?;
        let config = request.into_inner().config.unwrap_or_default();
        if inner.sandboxes.values().any(|s| s.metadata == config.metadata) {
            return Err(Status::unknown("sandbox name is reserved"));
        }
        let id = inner.id("s");
        let sandbox = cri::PodSandbox {
            id: id.clone(),
            metadata: config.metadata,
            state: cri::PodSandboxState::SandboxReady.into(),
            labels: config.labels,
            annotations: config.annotations,
            ..Default::default()
        };
        inner.sandboxes.insert(id.clone(), sandbox);
        inner.strike("RunPodSandbox", When::After)?;
        Ok(Response::new(cri::RunPodSandboxResponse { pod_sandbox_id: id }))
    }

    async fn stop_pod_sandbox(
        &self,
        request: Request<cri::StopPodSandboxRequest>,
    ) -> Reply<cri::StopPodSandboxResponse> {
        let mut inner = self.enter("StopPodSandbox")?;
        let id = request.into_inner().pod_sandbox_id;
        if let Some(s) = inner.sandboxes.get_mut(&id) {
            s.state = cri::PodSandboxState::SandboxNotready.into();
        }
        inner.strike("StopPodSandbox", When::After)?;
        Ok(Response::new(cri::StopPodSandboxResponse {}))
    }

    async fn remove_pod_sandbox(
        &self,
        request: Request<cri::RemovePodSandboxRequest>,
    ) -> Reply<cri::RemovePodSandboxResponse> {
        let mut inner = self.enter("RemovePodSandbox")?;
        inner.remove_sandbox(&request.into_inner().pod_sandbox_id);
        inner.strike("RemovePodSandbox", When::After)?;
        Ok(Response::new(cri::RemovePodSandboxResponse {}))
    }

    async fn list_pod_sandbox(
        &self,
        request: Request<cri::ListPodSandboxRequest>,
    ) -> Reply<cri::ListPodSandboxResponse> {
        let inner = self.enter("ListPodSandbox")?;
        let by = request.into_inner().filter.unwrap_or_default().label_selector;
        let items =
            inner.sandboxes.values().filter(|s| selected(&s.labels, &by)).cloned().collect();
        Ok(Response::new(cri::ListPodSandboxResponse { items }))
    }

    async fn create_container(
        &self,
        request: Request<cri::CreateContainerRequest>,
    ) -> Reply<cri::CreateContainerResponse> {
        let mut inner = self.enter("CreateContainer")?;
        let cri::CreateContainerRequest { pod_sandbox_id, config, .. } = request.into_inner();
        let config = config.unwrap_or_default();
        if !inner.sandboxes.contains_key(&pod_sandbox_id) {
            return Err(Status::not_found("no such sandbox"));
        }
        let image = config.image.clone().unwrap_or_default().image;
        if !inner.images.contains(&image) {
            return Err(Status::not_found(format!("image {image} is not there")));
        }
        let taken = |c: &cri::Container| {
            c.pod_sandbox_id == pod_sandbox_id && c.metadata == config.metadata
        };
        if inner.containers.values().any(taken) {
            return Err(Status::unknown("container name is reserved"));
        }
        let id = inner.id("c");
        let container = cri::Container {
            id: id.clone(),
            pod_sandbox_id,
            metadata: config.metadata,
            image: config.image,
            state: cri::ContainerState::ContainerCreated.into(),
            labels: config.labels,
            annotations: config.annotations,
            ..Default::default()
        };
        inner.containers.insert(id.clone(), container);
        inner.commands.insert(id.clone(), config.command);
        inner.mounts.insert(id.clone(), config.mounts);
        inner.strike("CreateContainer", When::After)?;
        Ok(Response::new(cri::CreateContainerResponse { container_id: id }))
    }

    async fn start_container(
        &self,
        request: Request<cri::StartContainerRequest>,
    ) -> Reply<cri::StartContainerResponse> {
        let mut inner = self.enter("StartContainer")?;
        let id = request.into_inner().container_id;
        let container =
            inner.containers.get_mut(&id).ok_or_else(|| Status::not_found("no such container"))?;
        container.state = cri::ContainerState::ContainerRunning.into();
        // It does its work at once: a membership begins anew.
        if inner.commands.get(&id).is_some_and(|c| c.first().is_some_and(|c| c == "etcdutl")) {
            inner.etcd = etcd::Members::default();
            if let Some(container) = inner.containers.get_mut(&id) {
                container.state = cri::ContainerState::ContainerExited.into();
            }
        }
        inner.strike("StartContainer", When::After)?;
        Ok(Response::new(cri::StartContainerResponse {}))
    }

    async fn stop_container(
        &self,
        request: Request<cri::StopContainerRequest>,
    ) -> Reply<cri::StopContainerResponse> {
        let mut inner = self.enter("StopContainer")?;
        let id = request.into_inner().container_id;
        if let Some(c) = inner.containers.get_mut(&id) {
            c.state = cri::ContainerState::ContainerExited.into();
        }
        inner.strike("StopContainer", When::After)?;
        Ok(Response::new(cri::StopContainerResponse {}))
    }

    async fn remove_container(
        &self,
        request: Request<cri::RemoveContainerRequest>,
    ) -> Reply<cri::RemoveContainerResponse> {
        let mut inner = self.enter("RemoveContainer")?;
        inner.containers.remove(&request.into_inner().container_id);
        inner.strike("RemoveContainer", When::After)?;
        Ok(Response::new(cri::RemoveContainerResponse {}))
    }

    async fn list_containers(
        &self,
        request: Request<cri::ListContainersRequest>,
    ) -> Reply<cri::ListContainersResponse> {
        let inner = self.enter("ListContainers")?;
        let by = request.into_inner().filter.unwrap_or_default().label_selector;
        let containers =
            inner.containers.values().filter(|c| selected(&c.labels, &by)).cloned().collect();
        Ok(Response::new(cri::ListContainersResponse { containers }))
    }

    async fn container_status(
        &self,
        request: Request<cri::ContainerStatusRequest>,
    ) -> Reply<cri::ContainerStatusResponse> {
        let mut inner = self.enter("ContainerStatus")?;
        let id = request.into_inner().container_id;
        let found = inner.containers.get(&id).ok_or_else(|| Status::not_found("no container"))?;
        let status = cri::ContainerStatus { id, state: found.state, ..Default::default() };
        inner.strike("ContainerStatus", When::After)?;
        Ok(Response::new(cri::ContainerStatusResponse {
            status: Some(status),
            ..Default::default()
        }))
    }

    async fn exec_sync(
        &self,
        request: Request<cri::ExecSyncRequest>,
    ) -> Reply<cri::ExecSyncResponse> {
        let mut inner = self.enter("ExecSync")?;
        let cri::ExecSyncRequest { container_id, cmd, .. } = request.into_inner();
        let (stdout, failure) = match cmd.get(1).map(String::as_str) {
            _ if cmd.iter().any(|arg| arg == "snapshot") => {
                (inner.save_snapshot(&container_id, &cmd), None)
            }
            _ if cmd[0] == "etcdctl" => {
                let own = inner.commands.get(&container_id).cloned().unwrap_or_default();
                match inner.etcd.run(&cmd, &own) {
                    Ok(said) => (said, None),
                    Err(said) => (String::new(), Some(said)),
                }
            }
            Some("read") => match read_sealed(&self.root, &cmd[2..].join(" ")) {
                Ok(sealed) => (sealed, None),
                Err(e) => (String::new(), Some(e.to_string())),
            },
            Some("cpus") => ("4".to_owned(), None),
            Some("public-key") => (self.opener.public_key(), None),
            Some("put") => match self.opener.open(&cmd[2..].concat()) {
                Err(e) => (String::new(), Some(e.to_string())),
                Ok(operations) => match apply(&self.root, &operations) {
                    Ok(changed) => (changed.join("\n"), None),
                    Err(e) => (String::new(), Some(e.to_string())),
                },
            },
            // haproxy says with which configuration it runs: the one beside it.
            Some("console") => {
                let node = cmd.get(3).and_then(|s| Path::new(s).parent()?.parent());
                let config = node.map(|dir| dir.join("haproxy/haproxy.cfg"));
                (config.and_then(|c| std::fs::read_to_string(c).ok()).unwrap_or_default(), None)
            }
            // An API server answers with the version that its image names.
            Some("probe") if cmd.iter().any(|arg| arg == "/version") => {
                let port = cmd.iter().find_map(|arg| arg.rsplit_once(':'));
                (inner.api_server_version(port.map_or("", |(_, port)| port)), None)
            }
            _ => (String::new(), None),
        };
        inner.strike("ExecSync", When::After)?;
        Ok(Response::new(cri::ExecSyncResponse {
            stdout: stdout.into_bytes(),
            exit_code: failure.is_some().into(),
            stderr: failure.unwrap_or_default().into_bytes(),
        }))
    }

    async fn get_container_events(
        &self,
        _: Request<cri::GetEventsRequest>,
    ) -> Reply<Self::GetContainerEventsStream> {
        drop(self.enter("GetContainerEvents")?);
        let events = BroadcastStream::new(self.events.subscribe()).filter_map(|e| e.ok().map(Ok));
        Ok(Response::new(Box::pin(events)))
    }

    unimplemented_calls! {
        pod_sandbox_status(PodSandboxStatusRequest) -> PodSandboxStatusResponse;
        update_container_resources(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse;
        reopen_container_log(ReopenContainerLogRequest) -> ReopenContainerLogResponse;
        exec(ExecRequest) -> ExecResponse;
        attach(AttachRequest) -> AttachResponse;
        port_forward(PortForwardRequest) -> PortForwardResponse;
        container_stats(ContainerStatsRequest) -> ContainerStatsResponse;
        list_container_stats(ListContainerStatsRequest) -> ListContainerStatsResponse;
        pod_sandbox_stats(PodSandboxStatsRequest) -> PodSandboxStatsResponse;
        list_pod_sandbox_stats(ListPodSandboxStatsRequest) -> ListPodSandboxStatsResponse;
        update_runtime_config(UpdateRuntimeConfigRequest) -> UpdateRuntimeConfigResponse;
        checkpoint_container(CheckpointContainerRequest) -> CheckpointContainerResponse;
        list_metric_descriptors(ListMetricDescriptorsRequest) -> ListMetricDescriptorsResponse;
        list_pod_sandbox_metrics(ListPodSandboxMetricsRequest) -> ListPodSandboxMetricsResponse;
        runtime_config(RuntimeConfigRequest) -> RuntimeConfigResponse;
    }
}

#[tonic::async_trait]
impl ImageService for FakeCri {
    async fn image_status(
        &self,
        request: Request<cri::ImageStatusRequest>,
    ) -> Reply<cri::ImageStatusResponse> {
        let inner = self.enter("ImageStatus")?;
        let name = request.into_inner().image.unwrap_or_default().image;
        let image = inner.images.contains(&name).then(|| cri::Image {
            id: name.clone(),
            repo_tags: vec![name],
            ..Default::default()
        });
        Ok(Response::new(cri::ImageStatusResponse { image, ..Default::default() }))
    }

    async fn pull_image(
        &self,
        request: Request<cri::PullImageRequest>,
    ) -> Reply<cri::PullImageResponse> {
        let mut inner = self.enter("PullImage")?;
        let name = request.into_inner().image.unwrap_or_default().image;
        inner.images.insert(name.clone());
        inner.strike("PullImage", When::After)?;
        Ok(Response::new(cri::PullImageResponse { image_ref: name }))
    }

    unimplemented_calls! {
        list_images(ListImagesRequest) -> ListImagesResponse;
        remove_image(RemoveImageRequest) -> RemoveImageResponse;
        image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse;
    }
}
