//! The helper container of a hypervisor, from the worker's side.

use crate::client::{CriClient, CriError, ExecOutput};
use crate::pod::{PodError, ensure_container, ensure_sandbox};
use crate::spec::{ContainerSpec, Mount, PodSpec, label};
use oi_helper::{Calls, FileOp, Opener, SealError, arguments, seal, seal_bytes};
use oi_kube::{Reply, Request, Server};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::Duration;
use zeroize::Zeroizing;

const PROGRAM: &str = "/usr/local/bin/oi-helper";
const LIMIT: Duration = Duration::from_secs(30);

/// What the helper of a hypervisor is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperSettings {
    /// The hypervisor, for its labels.
    pub hypervisor: String,
    /// The helper's image.
    pub image: String,
    /// The only directory that it may touch.
    pub data_dir: String,
}

/// Why the helper did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It does not run.
    #[error("the helper does not run")]
    Pod(#[from] PodError),
    /// It cannot be spoken to.
    #[error("the helper does not answer")]
    Cri(#[from] CriError),
    /// Files could not be sealed to its key.
    #[error("files cannot be sealed to the helper's key")]
    Seal(#[from] SealError),
    /// Requests or answers cannot be written or read.
    #[error("requests to an API cannot be written, or its answers read")]
    Calls(#[from] postcard::Error),
    /// It refused, or what it waited for did not come.
    #[error("helper: {}", .0.trim())]
    Rejected(String),
}

/// A helper that runs. It is found again by its labels; its key may change when it
/// is started anew, so that the key is asked for with each use.
#[derive(Clone)]
pub struct Helper {
    client: CriClient,
    container: String,
    key: String,
}

fn pod(settings: &HelperSettings) -> PodSpec {
    // Servers of two releases each have their own: none replaces the other's.
    let image = hex::encode(&Sha256::digest(&settings.image)[..4]);
    let identity =
        [(label::POD, "helper"), (label::NODE, &settings.hypervisor), (label::HELPER, &image)]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
    PodSpec {
        name: format!("oi-helper-{image}"),
        namespace: "oi".to_owned(),
        uid: format!("oi-helper-{image}-{}", settings.hypervisor),
        identity: identity.into(),
        on_host: true,
        containers: vec![ContainerSpec {
            name: "helper".to_owned(),
            image: settings.image.clone(),
            command: [PROGRAM, "serve", "--root", &settings.data_dir].map(str::to_owned).to_vec(),
            mounts: vec![Mount::writable(&settings.data_dir, &settings.data_dir)],
            ..ContainerSpec::default()
        }],
        ..PodSpec::default()
    }
}

impl Helper {
    /// Runs the helper unless it runs.
    ///
    /// # Errors
    /// Where its image cannot be had or it does not start.
    pub async fn ensure(
        client: &CriClient,
        settings: &HelperSettings,
    ) -> Result<Helper, HelperError> {
        client.ensure_image(&settings.image).await?;
        let pod = pod(settings);
        let sandbox = ensure_sandbox(client, &pod).await?;
        let (container, _) = ensure_container(client, &sandbox, &pod, &pod.containers[0]).await?;
        let mut helper = Helper { client: client.clone(), container, key: String::new() };
        helper.key = helper.ask_key().await?;
        Ok(helper)
    }

    async fn ask_key(&self) -> Result<String, HelperError> {
        let mut tries = 0;
        loop {
            let output = self.exec(vec!["public-key".to_owned()], LIMIT).await?;
            if output.exit_code == 0 {
                return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
            }
            // Started a moment ago: its socket comes next.
            tries += 1;
            if tries > 50 {
                return Err(refused(&output));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn exec(&self, args: Vec<String>, limit: Duration) -> Result<ExecOutput, CriError> {
        let mut command = vec![PROGRAM.to_owned()];
        command.extend(args);
        self.client.exec(&self.container, command, limit).await
    }

    /// What the helper answers.
    async fn ask(&self, args: Vec<String>, limit: Duration) -> Result<String, HelperError> {
        let output = self.exec(args, limit).await?;
        if output.exit_code != 0 {
            return Err(refused(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Does file operations; returns the paths that changed.
    ///
    /// # Errors
    /// Where the helper refuses or fails.
    pub async fn put(&self, operations: &[FileOp]) -> Result<Vec<String>, HelperError> {
        let mut args = vec!["put".to_owned()];
        args.extend(seal(&self.key, operations)?);
        let answer = self.ask(args, LIMIT).await?;
        Ok(answer.lines().map(str::to_owned).collect())
    }

    /// A piece of a file; shorter than `length` bytes only where the file ends. It
    /// travels sealed.
    ///
    /// # Errors
    /// Where the helper refuses or fails.
    pub async fn read(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, HelperError> {
        let opener = Opener::default();
        let words = ["read", &opener.public_key(), &offset.to_string(), &length.to_string(), path];
        Ok(opener.open_bytes(&self.ask(words.map(str::to_owned).to_vec(), LIMIT).await?)?)
    }

    /// Asks an API server as the hypervisor reaches it. The answers come in the order of the
    /// requests; both travel sealed.
    ///
    /// # Errors
    /// Where the helper or the API server does not answer.
    pub async fn kube(
        &self,
        server: &Server,
        requests: Vec<Request>,
    ) -> Result<Vec<Reply>, HelperError> {
        let opener = Opener::default();
        let all = u32::try_from(requests.len()).unwrap_or(u32::MAX).max(1);
        let limit = Duration::from_millis(server.limit_ms).saturating_mul(all);
        let calls = Calls { server: server.clone(), requests, answer_to: opener.public_key() };
        let plain = Zeroizing::new(postcard::to_stdvec(&calls)?);
        let mut args = vec!["kube".to_owned()];
        args.extend(arguments(&seal_bytes(&self.key, &plain)?));
        let answers = opener.open_bytes(&self.ask(args, limit + Duration::from_secs(10)).await?)?;
        Ok(postcard::from_bytes(&Zeroizing::new(answers))?)
    }

    /// How many processors the hypervisor has.
    ///
    /// # Errors
    /// Where the helper cannot tell.
    pub async fn cpus(&self) -> Result<usize, HelperError> {
        let output = self.exec(vec!["cpus".to_owned()], LIMIT).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().map_err(|_| refused(&output))
    }

    /// Kills the processes of a container or sandbox that its runtime lost sight of.
    ///
    /// # Errors
    /// Where the helper cannot look.
    pub async fn kill(&self, container: &str) -> Result<(), HelperError> {
        let args = ["kill", "--container", container];
        self.ask(args.map(str::to_owned).to_vec(), LIMIT).await.map(drop)
    }

    /// Sends a command to a program on the hypervisor that listens on a unix socket
    /// below the data directory; returns its answer.
    ///
    /// # Errors
    /// Where nobody listens.
    pub async fn console(&self, socket: &str, command: &str) -> Result<String, HelperError> {
        let args = ["console", "--socket", socket, "--command", command];
        self.ask(args.map(str::to_owned).to_vec(), LIMIT).await
    }

    /// Waits until `https://address/path` answers 200 under that authority, asked
    /// with a client certificate (certificate and key file) where one is given; returns
    /// the answer's body. All files are the hypervisor's.
    ///
    /// # Errors
    /// What went wrong last, once the time is over.
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
        self.ask(args, limit + Duration::from_secs(10)).await
    }
}

fn refused(output: &ExecOutput) -> HelperError {
    HelperError::Rejected(String::from_utf8_lossy(&output.stderr).into_owned())
}
