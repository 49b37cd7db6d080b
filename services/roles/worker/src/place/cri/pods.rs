//! Pods on a hypervisor: sandboxes and containers.

use super::{CriPlace, CriPlaceError};
use crate::desired::{ContainerSpec, FileOp, Labels, PodSpec, label};
use futures::future::{try_join_all, try_join3};
use oi_cri::{
    CONTAINER_RUNNING, CriError, ExecOutput, PodError, SANDBOX_READY, Sandbox, ensure_container,
    ensure_sandbox, generation_of, is_outdated, prepare_container, remove_others,
    remove_pods_until,
};
use oi_events::Generation;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How many containers of a node may need a kill before the runtime can remove them.
const KILLS: usize = 8;
/// The pause between two looks at a container that must end.
const POLL: Duration = Duration::from_millis(100);

type Result<T> = std::result::Result<T, CriPlaceError>;

/// A container on a hypervisor.
#[derive(Debug, Clone)]
pub struct CriContainer {
    /// The runtime's id.
    pub id: String,
    /// Its name in its pod.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// The generation that it was made for.
    pub generation: u64,
    /// Whether it runs.
    pub runs: bool,
}

/// A sandbox on a hypervisor.
#[derive(Debug, Clone)]
pub struct CriSandbox {
    /// The runtime's id.
    pub id: String,
    /// Its labels.
    pub labels: Labels,
    /// Whether it is ready.
    pub ready: bool,
}

/// An image on a hypervisor.
#[derive(Debug, Clone)]
pub struct CriImage {
    /// The runtime's id.
    pub id: String,
    /// All that identifies its content.
    pub ids: Vec<String>,
    /// Its names, with their tags.
    pub names: Vec<String>,
    /// The runtime keeps it.
    pub pinned: bool,
}

impl CriPlace {
    /// Makes sandbox, images and files of a pod.
    pub async fn prepare(&self, pod: &PodSpec, files: &[FileOp]) -> Result<Sandbox> {
        let client = self.client()?;
        let images = try_join_all(pod.containers.iter().map(|c| client.ensure_image(&c.image)));
        let all = try_join3(
            async { Ok(ensure_sandbox(&client, pod).await?) },
            async { Ok(images.await?) },
            self.put_for(pod, files),
        );
        let (sandbox, _, changed) = all.await?;
        tracing::debug!(pod = pod.name, changed = changed.len(), "prepared");
        Ok(sandbox)
    }

    /// Pulls an image unless it is there.
    pub async fn pull(&self, image: &str) -> Result<()> {
        match self.client()?.ensure_image(image).await {
            Err(error) if error.is_not_found() => {
                Err(CriPlaceError::NoImage { image: image.to_owned(), source: error })
            }
            pulled => Ok(pulled?),
        }
    }

    /// Prepares a pod and starts its first container. Returns whether it started just now.
    pub async fn start(&self, pod: &PodSpec, files: &[FileOp]) -> Result<bool> {
        let sandbox = self.prepare(pod, files).await?;
        self.ensure_container(&sandbox, pod, &pod.containers[0]).await
    }

    /// Starts a container unless it runs as described, and no later generation changed its pod.
    /// Returns whether it started just now.
    pub async fn ensure_container(
        &self,
        sandbox: &Sandbox,
        pod: &PodSpec,
        container: &ContainerSpec,
    ) -> Result<bool> {
        let client = self.client()?;
        // What stands in its place may be what a later decision went back to.
        if !sandbox.fresh && is_outdated(&client, pod, container).await? {
            self.put_for(pod, &[]).await?;
        }
        Ok(ensure_container(&client, sandbox, pod, container).await?.1)
    }

    /// Creates a container ahead of its start, if the sandbox is new.
    pub async fn prepare_container(
        &self,
        sandbox: &Sandbox,
        pod: &PodSpec,
        container: &ContainerSpec,
    ) -> Result<()> {
        Ok(prepare_container(&self.client()?, sandbox, pod, container).await?)
    }

    /// Whether a container runs, but not as described.
    pub async fn is_outdated(&self, pod: &PodSpec, container: &ContainerSpec) -> Result<bool> {
        Ok(is_outdated(&self.client()?, pod, container).await?)
    }

    /// Removes containers of a pod that its description no longer has.
    pub async fn remove_others(&self, pod: &PodSpec) -> Result<()> {
        Ok(remove_others(&self.client()?, pod).await?)
    }

    /// Runs the first container of a pod to its end. Returns its exit code, or none when it does
    /// not end within `limit`.
    pub async fn run_to_end(&self, pod: &PodSpec, limit: Duration) -> Result<Option<i32>> {
        let client = self.client()?;
        client.ensure_image(&pod.containers[0].image).await?;
        let sandbox = ensure_sandbox(&client, pod).await?;
        let (id, _) = ensure_container(&client, &sandbox, pod, &pod.containers[0]).await?;
        let end = Instant::now() + limit;
        loop {
            match client.exit_code(&id).await? {
                Some(code) => return Ok(Some(code)),
                None if Instant::now() >= end => return Ok(None),
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Changes files for a pod, unless a later generation changed them.
    pub async fn put_for(&self, pod: &PodSpec, files: &[FileOp]) -> Result<Vec<String>> {
        if pod.directory.is_empty() {
            return self.put(files).await;
        }
        self.put_fenced(pod.directory.clone(), pod.generation, files).await
    }

    /// Changes files, unless a generation later than this one changed their directory.
    pub async fn put_fenced(
        &self,
        directory: String,
        generation: u64,
        files: &[FileOp],
    ) -> Result<Vec<String>> {
        let fence = FileOp::Fence { path: directory, generation };
        self.put(&[std::slice::from_ref(&fence), files].concat()).await
    }

    /// Removes all pods with these labels. A container may take `grace` to end.
    pub async fn end_pods(&self, labels: &Labels, grace: Duration) -> Result<()> {
        self.end_pods_until(labels, Generation(u64::MAX), grace).await.map(drop)
    }

    /// The same for a generation, which leaves alone what is of a later one. Returns whether there
    /// is something of a later one.
    pub async fn end_pods_until(
        &self,
        labels: &Labels,
        generation: Generation,
        grace: Duration,
    ) -> Result<bool> {
        let client = self.client()?;
        let mut removed = remove_pods_until(&client, labels, generation.0, grace).await;
        for _ in 0..KILLS {
            let Err(PodError::Stuck { id, .. }) = &removed else { break };
            tracing::warn!(id, "killing processes that the runtime lost track of");
            self.kill(id).await?;
            removed = remove_pods_until(&client, labels, generation.0, grace).await;
        }
        Ok(removed?)
    }

    /// The containers with these labels.
    pub async fn containers(&self, labels: &Labels) -> Result<Vec<CriContainer>> {
        let all = self.client()?.containers(labels).await?.into_iter();
        let all = all.map(|c| CriContainer {
            id: c.id,
            generation: generation_of(&c.labels),
            name: c.metadata.map(|m| m.name).unwrap_or_default(),
            labels: c.labels.into_iter().collect(),
            runs: c.state == CONTAINER_RUNNING,
        });
        Ok(all.collect())
    }

    /// Removes a container for a generation, unless it was made for a later one. Kills it when it
    /// does not end within `grace`.
    pub async fn remove_container(
        &self,
        container: &CriContainer,
        generation: Generation,
        grace: Duration,
    ) -> Result<()> {
        let (found, ours) = (container.generation, generation.0);
        if found > ours {
            let pod = container.labels.get(label::POD).cloned().unwrap_or_default();
            return Err(PodError::StaleGeneration { pod, found, ours }.into());
        }
        Ok(self.client()?.remove_container(&container.id, grace).await?)
    }

    /// The sandboxes with these labels.
    pub async fn sandboxes(&self, labels: &Labels) -> Result<Vec<CriSandbox>> {
        let all = self.client()?.sandboxes(labels).await?.into_iter();
        let all = all.map(|s| CriSandbox {
            id: s.id,
            labels: s.labels.into_iter().collect(),
            ready: s.state == SANDBOX_READY,
        });
        Ok(all.collect())
    }

    /// Removes a sandbox with its containers. Where the runtime cannot, their processes are killed
    /// first.
    pub async fn remove_sandbox(&self, id: &str) -> Result<()> {
        let client = self.client()?;
        match client.remove_sandbox(id).await {
            Err(CriError::Call { .. }) => {}
            removed => return Ok(removed?),
        }
        tracing::warn!(id, "killing processes that the runtime lost track of");
        for container in client.containers(&Labels::new()).await? {
            if container.pod_sandbox_id == id {
                self.kill(&container.id).await?;
            }
        }
        self.kill(id).await?;
        Ok(client.remove_sandbox(id).await?)
    }

    /// All images.
    pub async fn images(&self) -> Result<Vec<CriImage>> {
        let all = self.client()?.images().await?.into_iter();
        let all = all.map(|i| CriImage {
            ids: i.repo_digests.into_iter().chain([i.id.clone()]).collect(),
            id: i.id,
            names: i.repo_tags,
            pinned: i.pinned,
        });
        Ok(all.collect())
    }

    /// The images of all containers, by names and ids.
    pub async fn used_images(&self) -> Result<BTreeSet<String>> {
        let all = self.client()?.containers(&Labels::new()).await?.into_iter();
        let named = all.flat_map(|c| [c.image.map(|i| i.image), Some(c.image_ref)]);
        Ok(named.flatten().filter(|name| !name.is_empty()).collect())
    }

    /// Removes an image.
    pub async fn remove_image(&self, image: &CriImage) -> Result<()> {
        Ok(self.client()?.remove_image(&image.id).await?)
    }

    /// Runs a command in a container. Its arguments are visible on the hypervisor.
    pub async fn exec(
        &self,
        id: &str,
        command: Vec<String>,
        limit: Duration,
    ) -> Result<ExecOutput> {
        Ok(self.client()?.exec(id, command, limit).await?)
    }

    /// Calls `notify` once the runtime accepts to report events, and for each event, until the
    /// stream breaks.
    pub async fn watch_events(&self, notify: impl Fn()) -> Result<()> {
        let mut events = self.client()?.events().await?;
        notify();
        loop {
            match events.message().await {
                Ok(Some(_)) => notify(),
                Ok(None) => return Ok(()),
                Err(error) => {
                    let hypervisor = &self.hypervisor.spec.name;
                    tracing::debug!(%hypervisor, %error, "the stream of events breaks");
                    return Ok(());
                }
            }
        }
    }
}
