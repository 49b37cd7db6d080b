//! The helper container of a hypervisor, from the worker's side.

mod pod;
mod requests;

use crate::client::{CriClient, CriError, ExecOutput};
use crate::pod::{PodError, ensure_container, ensure_sandbox};
use oi_helper::SealError;
use pod::pod;
use std::time::Duration;

const PROGRAM: &str = "/usr/local/bin/oi-helper";
const LIMIT: Duration = Duration::from_secs(30);
/// How often a helper that has just started is asked for its key.
const KEY_TRIES: u32 = 50;
const KEY_PAUSE: Duration = Duration::from_millis(20);

/// The settings of a hypervisor's helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperSettings {
    /// The hypervisor's name, for labels.
    pub hypervisor: String,
    /// The helper's image.
    pub image: String,
    /// The only directory that the helper may change.
    pub data_dir: String,
}

/// Why the helper fails.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It does not run.
    #[error("the helper does not run")]
    Pod(#[from] PodError),
    /// Nothing answers in its container.
    #[error("the helper does not answer")]
    Cri(#[from] CriError),
    /// Files cannot be sealed to its key.
    #[error("files cannot be sealed to the helper's key")]
    Seal(#[from] SealError),
    /// Requests or answers cannot be encoded or decoded.
    #[error("requests to an API cannot be written, or its answers read")]
    Calls(#[from] postcard::Error),
    /// It rejected the request, or what it waited for did not happen.
    #[error("helper: {}", .0.trim())]
    Rejected(String),
}

/// A helper that runs. A helper that restarts has another key: look it up again after a failure.
#[derive(Clone)]
pub struct Helper {
    client: CriClient,
    container: String,
    key: String,
}

impl Helper {
    /// Starts the helper unless it runs.
    ///
    /// # Errors
    /// If its image cannot be pulled, or it does not start.
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
            // It started a moment ago, and its socket comes next.
            tries += 1;
            if tries > KEY_TRIES {
                return Err(rejected(&output));
            }
            tokio::time::sleep(KEY_PAUSE).await;
        }
    }

    async fn exec(&self, args: Vec<String>, limit: Duration) -> Result<ExecOutput, CriError> {
        let mut command = vec![PROGRAM.to_owned()];
        command.extend(args);
        self.client.exec(&self.container, command, limit).await
    }

    /// Runs a command of the helper. Returns its answer.
    async fn ask(&self, args: Vec<String>, limit: Duration) -> Result<String, HelperError> {
        let output = self.exec(args, limit).await?;
        if output.exit_code != 0 {
            return Err(rejected(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn rejected(output: &ExecOutput) -> HelperError {
    HelperError::Rejected(String::from_utf8_lossy(&output.stderr).into_owned())
}
