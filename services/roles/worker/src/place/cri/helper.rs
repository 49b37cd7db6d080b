//! What a hypervisor does through the helper: files, and requests to what runs there.

use super::{CriPlace, CriPlaceError};
use crate::desired::FileOp;
use oi_cri::{HelperError, Reply, Request, Server};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

type Result<T> = std::result::Result<T, CriPlaceError>;

impl CriPlace {
    /// Connects to the hypervisor, and starts the helper unless it runs.
    pub async fn open(&self) -> Result<()> {
        self.helper().await.map(drop)
    }

    /// Checks that the runtime is ready, and that the helper runs. Returns name and version of
    /// the runtime.
    pub async fn check(&self) -> Result<String> {
        let client = self.client()?;
        let runtime = client.version().await?;
        let unready = client.unready_conditions().await?;
        if !unready.is_empty() {
            return Err(CriPlaceError::NotReady(unready.join("; ")));
        }
        self.fresh_helper().await?;
        Ok(runtime)
    }

    /// Name and version of the runtime. Answers within seconds, or fails.
    pub async fn version(&self) -> Result<String> {
        Ok(self.client()?.version().await?)
    }

    /// The number of processors.
    pub async fn cpus(&self) -> Result<usize> {
        let cpus = self.helper().await?.cpus().await;
        self.plain(cpus)
    }

    /// The directories of clusters' nodes, as `CLUSTER/NODE`, and of clusters without any.
    pub async fn directories(&self) -> Result<Vec<String>> {
        let found = self.helper().await?.directories(&self.hypervisor.spec.data_dir).await;
        self.plain(found)
    }

    /// The TCP ports on which something listens at the hypervisor's address.
    pub async fn listening(&self) -> Result<BTreeSet<u16>> {
        let found = self.helper().await?.listening(self.hypervisor.spec.address).await;
        self.plain(found)
    }

    /// Changes files. Returns the paths that changed.
    pub async fn put(&self, files: &[FileOp]) -> Result<Vec<String>> {
        let changed = self.helper().await?.put(files).await;
        self.sealed(changed)
    }

    /// Reads a piece of a file. It is shorter than `length` only at the end of the file. None
    /// where there is no such file.
    pub async fn read(&self, path: &str, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let piece = self.helper().await?.read(path, offset, length).await;
        self.sealed(piece)
    }

    /// Sends requests to an API server, from where it runs. Replies come in the same order.
    pub async fn kube(&self, server: &Server, requests: Vec<Request>) -> Result<Vec<Reply>> {
        let replies = self.helper().await?.kube(server, requests).await;
        self.sealed(replies)
    }

    /// Waits until `https://address/path` answers 200. Returns the body. `ca_file` and the files
    /// of the client certificate are on the hypervisor.
    pub async fn probe(
        &self,
        address: SocketAddr,
        path: &str,
        ca_file: &str,
        client: Option<&(String, String)>,
        limit: Duration,
    ) -> Result<String> {
        let body = self.helper().await?.probe(address, path, ca_file, client, limit).await;
        self.plain(body)
    }

    /// Sends a command to a unix socket below the data directory. Returns the answer.
    pub async fn console(&self, socket: &str, command: &str) -> Result<String> {
        let answer = self.helper().await?.console(socket, command).await;
        self.plain(answer)
    }

    /// Kills the processes of a container that the runtime cannot remove.
    pub(super) async fn kill(&self, container: &str) -> Result<()> {
        let killed = self.helper().await?.kill(container).await;
        self.plain(killed)
    }

    /// The outcome of a request that is sealed to the helper's key. Whatever failed, the helper
    /// may have restarted with another key.
    fn sealed<T>(&self, outcome: std::result::Result<T, HelperError>) -> Result<T> {
        outcome.map_err(|error| {
            self.forget_helper();
            error.into()
        })
    }

    /// The outcome of a request in the clear. If the helper itself answers, it still runs.
    fn plain<T>(&self, outcome: std::result::Result<T, HelperError>) -> Result<T> {
        outcome.map_err(|error| {
            if !matches!(error, HelperError::Rejected(_)) {
                self.forget_helper();
            }
            error.into()
        })
    }
}
