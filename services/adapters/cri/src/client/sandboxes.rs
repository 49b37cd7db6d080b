//! Calls about sandboxes.

use super::{CALL, CriClient, Result, gone, timed};
use crate::spec::Labels;
use k8s_cri::v1 as cri;

impl CriClient {
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

    /// Creates and starts a sandbox. Returns its id.
    pub async fn run_sandbox(&self, config: cri::PodSandboxConfig) -> Result<String> {
        let message = cri::RunPodSandboxRequest { config: Some(config), ..Default::default() };
        let reply = Box::pin(self.runtime.clone().run_pod_sandbox(timed(message, CALL))).await;
        Ok(reply.map_err(self.failed("RunPodSandbox"))?.into_inner().pod_sandbox_id)
    }

    /// Stops and removes a sandbox with all its containers. It may be gone already.
    pub async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let pod_sandbox_id = id.to_owned();
        let mut runtime = self.runtime.clone();
        let stop = cri::StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() };
        let stopped = runtime.stop_pod_sandbox(timed(stop, CALL)).await;
        gone(stopped.map(drop).map_err(self.failed("StopPodSandbox")))?;
        let remove = cri::RemovePodSandboxRequest { pod_sandbox_id };
        let removed = runtime.remove_pod_sandbox(timed(remove, CALL)).await;
        gone(removed.map(drop).map_err(self.failed("RemovePodSandbox")))
    }
}
