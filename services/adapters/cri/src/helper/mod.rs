//! The helper container of a hypervisor, from the worker's side.

mod pod;
mod requests;

use crate::client::{CriClient, CriError, ExecOutput};
use crate::pod::{PodError, ensure_container, ensure_sandbox};
use crate::spec::label;
use k8s_cri::v1::PodSandbox;
use oi_helper::SealError;
use pod::pod;
use std::time::Duration;

const PROGRAM: &str = "/usr/local/bin/oi-helper";
const LIMIT: Duration = Duration::from_secs(30);
/// How often a helper that has just started is asked for its key.
const KEY_TRIES: u32 = 50;
const KEY_PAUSE: Duration = Duration::from_millis(20);
const DAY_MS: i128 = 24 * 3600 * 1000;

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

    /// Removes the helpers of other releases that were made before this one, once this one is a
    /// day old: a server of such a release that still runs makes another. `now_ms` is the time,
    /// Unix milliseconds.
    ///
    /// # Errors
    /// If a CRI call fails.
    pub async fn remove_older(
        client: &CriClient,
        settings: &HelperSettings,
        now_ms: u64,
    ) -> Result<(), HelperError> {
        let own = pod(settings).identity;
        let mut all = own.clone();
        all.remove(label::HELPER);
        let found = client.sandboxes(&all).await?;
        let is_own = |s: &&PodSandbox| s.labels.get(label::HELPER) == own.get(label::HELPER);
        let made = found.iter().filter(is_own).map(|s| s.created_at).min();
        let age = |made: &i64| i128::from(now_ms) - i128::from(made / 1_000_000);
        let Some(made) = made.filter(|made| age(made) >= DAY_MS) else { return Ok(()) };
        for old in found.iter().filter(|s| !is_own(s) && s.created_at < made) {
            tracing::info!(sandbox = old.id, "removing the helper of another release");
            client.remove_sandbox(&old.id).await?;
        }
        Ok(())
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
