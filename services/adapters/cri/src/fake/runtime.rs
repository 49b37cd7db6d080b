//! The runtime service.

use super::calls::{Later, Reply, selected, unimplemented_calls};
use super::{FakeCri, When};
use k8s_cri::v1 as cri;
use k8s_cri::v1::runtime_service_server::RuntimeService;
use std::time::Duration;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

/// How long a probe asks.
fn probe_limit(cmd: &[String]) -> Duration {
    let seconds = cmd.iter().skip_while(|arg| *arg != "--timeout").nth(1);
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
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
        drop(self.enter("RunPodSandbox")?);
        let released = self.holds.subscribe().wait_for(|held| !held).await.map(drop);
        released.map_err(|_| Status::unavailable("the fake ends"))?;
        let mut inner = self.lock();
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
        inner.inject("RunPodSandbox", When::After)?;
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
        inner.inject("StopPodSandbox", When::After)?;
        Ok(Response::new(cri::StopPodSandboxResponse {}))
    }

    async fn remove_pod_sandbox(
        &self,
        request: Request<cri::RemovePodSandboxRequest>,
    ) -> Reply<cri::RemovePodSandboxResponse> {
        let mut inner = self.enter("RemovePodSandbox")?;
        inner.remove_sandbox(&request.into_inner().pod_sandbox_id);
        inner.inject("RemovePodSandbox", When::After)?;
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
        inner.inject("CreateContainer", When::After)?;
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
        let program = inner.commands.get(&id).and_then(|c| c.first()).cloned();
        let runs = match program.as_deref() {
            Some("etcd") => inner.start_etcd(&id)?,
            // It does its work at once.
            Some("etcdutl") => {
                inner.restore_snapshot(&id)?;
                inner.holds_restores
            }
            _ => true,
        };
        if !runs && let Some(container) = inner.containers.get_mut(&id) {
            container.state = cri::ContainerState::ContainerExited.into();
        }
        if !runs && program.is_some_and(|program| program == "etcd") {
            return Err(Status::unknown("etcd does not start with such data"));
        }
        inner.inject("StartContainer", When::After)?;
        Ok(Response::new(cri::StartContainerResponse {}))
    }

    async fn stop_container(
        &self,
        request: Request<cri::StopContainerRequest>,
    ) -> Reply<cri::StopContainerResponse> {
        drop(self.enter("StopContainer")?);
        let released = self.stuck.subscribe().wait_for(|held| !held).await.map(drop);
        released.map_err(|_| Status::unavailable("the fake ends"))?;
        let mut inner = self.lock();
        let id = request.into_inner().container_id;
        if let Some(c) = inner.containers.get_mut(&id) {
            c.state = cri::ContainerState::ContainerExited.into();
        }
        self.tell_stopped(&id);
        inner.inject("StopContainer", When::After)?;
        Ok(Response::new(cri::StopContainerResponse {}))
    }

    async fn remove_container(
        &self,
        request: Request<cri::RemoveContainerRequest>,
    ) -> Reply<cri::RemoveContainerResponse> {
        let mut inner = self.enter("RemoveContainer")?;
        inner.containers.remove(&request.into_inner().container_id);
        inner.inject("RemoveContainer", When::After)?;
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
        inner.inject("ContainerStatus", When::After)?;
        Ok(Response::new(cri::ContainerStatusResponse {
            status: Some(status),
            ..Default::default()
        }))
    }

    async fn exec_sync(
        &self,
        request: Request<cri::ExecSyncRequest>,
    ) -> Reply<cri::ExecSyncResponse> {
        drop(self.enter("ExecSync")?);
        let cri::ExecSyncRequest { container_id, cmd, timeout } = request.into_inner();
        if cmd.iter().any(|arg| arg == "/readyz") {
            // As the helper does, it asks again until the time is over.
            let limit = Duration::from_secs(timeout.unsigned_abs()).min(probe_limit(&cmd));
            let mut unready = self.unready.subscribe();
            let ready = tokio::time::timeout(limit, unready.wait_for(|held| !held)).await;
            if ready.is_err() {
                let stderr = b"answer \"500\"".to_vec();
                let response = cri::ExecSyncResponse { stdout: Vec::new(), stderr, exit_code: 1 };
                return Ok(Response::new(response));
            }
        }
        let mut inner = self.lock();
        let outcome = self.run(&mut inner, &container_id, &cmd);
        inner.inject("ExecSync", When::After)?;
        let exit_code = outcome.is_err().into();
        let (stdout, stderr) = match outcome {
            Ok(stdout) => (stdout.into_bytes(), Vec::new()),
            Err(stderr) => (Vec::new(), stderr.into_bytes()),
        };
        Ok(Response::new(cri::ExecSyncResponse { stdout, stderr, exit_code }))
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
