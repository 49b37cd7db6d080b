//! Calls about containers.

use super::{CALL, CriClient, Result, gone, timed};
use crate::spec::Labels;
use k8s_cri::v1 as cri;
use std::time::Duration;

/// How much longer than its command a call of `ExecSync` may take.
const EXEC_SLACK: Duration = Duration::from_secs(5);

/// The outcome of a command in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Exit code.
    pub exit_code: i32,
}

fn seconds(duration: Duration) -> i64 {
    0_i64.saturating_add_unsigned(duration.as_secs())
}

impl CriClient {
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

    /// Creates a container in a sandbox, without starting it. Returns its id.
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
        let mut runtime = self.runtime.clone();
        // Boxed: its messages would take 18 KB of each caller's stack.
        let reply = Box::pin(runtime.create_container(timed(message, CALL))).await;
        Ok(reply.map_err(self.failed("CreateContainer"))?.into_inner().container_id)
    }

    /// Starts a container.
    pub async fn start_container(&self, id: &str) -> Result<()> {
        let message = cri::StartContainerRequest { container_id: id.to_owned() };
        let reply = self.runtime.clone().start_container(timed(message, CALL)).await;
        reply.map(drop).map_err(self.failed("StartContainer"))
    }

    /// The exit code of a container; none before it has ended.
    pub async fn exit_code(&self, id: &str) -> Result<Option<i32>> {
        let message = cri::ContainerStatusRequest { container_id: id.to_owned(), verbose: false };
        let reply = self.runtime.clone().container_status(timed(message, CALL)).await;
        let status = reply.map_err(self.failed("ContainerStatus"))?.into_inner().status;
        let exited = cri::ContainerState::ContainerExited as i32;
        Ok(status.filter(|s| s.state == exited).map(|s| s.exit_code))
    }

    /// Stops and removes a container, killing it after `grace`. It may be gone already.
    pub async fn remove_container(&self, id: &str, grace: Duration) -> Result<()> {
        let container_id = id.to_owned();
        let mut runtime = self.runtime.clone();
        let timeout = seconds(grace);
        let stop = cri::StopContainerRequest { container_id: container_id.clone(), timeout };
        let stopped = runtime.stop_container(timed(stop, CALL + grace)).await;
        gone(stopped.map(drop).map_err(self.failed("StopContainer")))?;
        let remove = cri::RemoveContainerRequest { container_id };
        let removed = runtime.remove_container(timed(remove, CALL)).await;
        gone(removed.map(drop).map_err(self.failed("RemoveContainer")))
    }

    /// Runs a command in a container and waits for its end. Its arguments are visible on the
    /// hypervisor: they must not be secret.
    pub async fn exec(
        &self,
        id: &str,
        command: Vec<String>,
        limit: Duration,
    ) -> Result<ExecOutput> {
        let message = cri::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command,
            timeout: seconds(limit),
        };
        let request = timed(message, limit + EXEC_SLACK);
        let reply = Box::pin(self.runtime.clone().exec_sync(request)).await;
        let reply = reply.map_err(self.failed("ExecSync"))?;
        let cri::ExecSyncResponse { stdout, stderr, exit_code } = reply.into_inner();
        Ok(ExecOutput { stdout, stderr, exit_code })
    }
}
