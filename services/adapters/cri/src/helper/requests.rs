//! What the helper does.

use super::{Helper, HelperError, LIMIT, rejected};
use oi_helper::{Calls, FileOp, Opener, arguments, seal, seal_bytes};
use oi_kube::{Reply, Request, Server};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use zeroize::Zeroizing;

/// How much longer than the requests themselves a call may take.
const SLACK: Duration = Duration::from_secs(10);

impl Helper {
    /// Changes files. Returns the paths that changed.
    ///
    /// # Errors
    /// If the helper rejects it or fails; so for all below.
    pub async fn put(&self, operations: &[FileOp]) -> Result<Vec<String>, HelperError> {
        let mut args = vec!["put".to_owned()];
        args.extend(seal(&self.key, operations)?);
        let answer = self.ask(args, LIMIT).await?;
        Ok(answer.lines().map(str::to_owned).collect())
    }

    /// Reads a piece of a file, which travels sealed. It is shorter than `length` bytes only at
    /// the end of the file. None where there is no such file.
    ///
    /// # Errors
    /// If the helper rejects it or fails.
    pub async fn read(
        &self,
        path: &str,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, HelperError> {
        let opener = Opener::default();
        let words = ["read", &opener.public_key(), &offset.to_string(), &length.to_string(), path];
        let answer = self.ask(words.map(str::to_owned).to_vec(), LIMIT).await?;
        if answer.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(opener.open_bytes(&answer)?))
    }

    /// Sends requests to an API server, as the hypervisor reaches it. Requests and replies travel
    /// sealed; replies come in the order of the requests.
    ///
    /// # Errors
    /// If the helper or the API server does not answer.
    pub async fn kube(
        &self,
        server: &Server,
        requests: Vec<Request>,
    ) -> Result<Vec<Reply>, HelperError> {
        let opener = Opener::default();
        let all = requests.len().max(1) as u64;
        let limit = Duration::from_millis(server.limit_ms.saturating_mul(all));
        let calls = Calls { server: server.clone(), requests, answer_to: opener.public_key() };
        let plain = Zeroizing::new(postcard::to_stdvec(&calls)?);
        let mut args = vec!["kube".to_owned()];
        args.extend(arguments(&seal_bytes(&self.key, &plain)?));
        let answers = opener.open_bytes(&self.ask(args, limit + SLACK).await?)?;
        Ok(postcard::from_bytes(&Zeroizing::new(answers))?)
    }

    /// The number of processors of the hypervisor.
    ///
    /// # Errors
    /// If the helper cannot tell.
    pub async fn cpus(&self) -> Result<usize, HelperError> {
        let output = self.exec(vec!["cpus".to_owned()], LIMIT).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map_err(|_| rejected(&output))
    }

    /// The directories of clusters' nodes below its directory, as `CLUSTER/NODE`, and of clusters
    /// without any.
    ///
    /// # Errors
    /// If it cannot read them.
    pub async fn directories(&self, root: &str) -> Result<Vec<String>, HelperError> {
        let asked = ["directories", "--root", root].map(str::to_owned).to_vec();
        let answer = self.ask(asked, LIMIT).await?;
        Ok(answer.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// The TCP ports on which something listens at an address of the hypervisor.
    ///
    /// # Errors
    /// If it cannot tell.
    pub async fn listening(&self, address: IpAddr) -> Result<BTreeSet<u16>, HelperError> {
        let address = address.to_string();
        let args = ["listening", "--address", &address].map(str::to_owned).to_vec();
        let output = self.exec(args, LIMIT).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        let ports: Result<_, _> = text.split_whitespace().map(str::parse).collect();
        match ports {
            Ok(ports) if output.exit_code == 0 => Ok(ports),
            _ => Err(rejected(&output)),
        }
    }

    /// Kills the processes of a container or sandbox that its runtime lost track of.
    ///
    /// # Errors
    /// If the helper cannot read the list of processes.
    pub async fn kill(&self, container: &str) -> Result<(), HelperError> {
        let args = ["kill", "--container", container];
        self.ask(args.map(str::to_owned).to_vec(), LIMIT).await.map(drop)
    }

    /// Sends a command to a program that listens on a unix socket below the data directory.
    /// Returns the answer.
    ///
    /// # Errors
    /// If nothing listens.
    pub async fn console(&self, socket: &str, command: &str) -> Result<String, HelperError> {
        let args = ["console", "--socket", socket, "--command", command];
        self.ask(args.map(str::to_owned).to_vec(), LIMIT).await
    }

    /// Waits until `https://address/path` answers 200 with a certificate of that CA, and returns
    /// the body. `client` has the files of a client certificate and its key. All files are on the
    /// hypervisor.
    ///
    /// # Errors
    /// The last failure, after `limit`.
    pub async fn probe(
        &self,
        address: SocketAddr,
        path: &str,
        ca_file: &str,
        client: Option<&(String, String)>,
        limit: Duration,
    ) -> Result<String, HelperError> {
        let (address, seconds) = (address.to_string(), limit.as_secs().to_string());
        let mut args = vec![
            "probe",
            "--address",
            &address,
            "--path",
            path,
            "--ca",
            ca_file,
            "--timeout",
            &seconds,
        ];
        if let Some((certificate, key)) = client {
            args.extend(["--cert", certificate, "--key", key]);
        }
        let args = args.into_iter().map(str::to_owned).collect();
        self.ask(args, limit + SLACK).await
    }
}
