//! `oi cluster upgrade`.

use crate::client::Client;
use crate::error::Failure;
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::v1::{self, submit_request::Command};

/// Bring a cluster's components to another release, one at a time.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when all components run it")))]
#[command(mut_arg("timeout", |a| a.default_value("600")))]
pub struct Upgrade {
    /// Its name.
    name: String,
    /// The release: at most one minor release up.
    #[arg(long, required_unless_present_any = ["pause", "resume", "rollback"])]
    to: Option<String>,
    /// Replace no further component for now.
    #[arg(long, conflicts_with_all = ["to", "resume", "rollback"])]
    pause: bool,
    /// Go on.
    #[arg(long, conflicts_with_all = ["to", "rollback"])]
    resume: bool,
    /// Back to the release before.
    #[arg(long, conflicts_with = "to")]
    rollback: bool,
    #[command(flatten)]
    wait: Wait,
}

impl Upgrade {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        client.submit(self.command()).await?;
        let done = |c: &v1::Cluster, _: &[v1::Node]| c.upgrade_to.is_empty();
        wait::for_cluster(client, &self.name, self.wait.limit(), done).await?;
        match (&self.to, self.wait.limit()) {
            (Some(to), Some(_)) if !client.is_planning() => self.check(client, to).await,
            _ => Ok(()),
        }
    }

    /// An upgrade can end where it began: the images were not there, or somebody took it back.
    async fn check(&self, client: &Client, to: &str) -> Result<(), Failure> {
        let spec = client.cluster(&self.name).await?.spec.unwrap_or_default();
        let runs = spec.kubernetes_version;
        if runs == to {
            return Ok(());
        }
        let name = &self.name;
        Err(Failure::NotDone(format!(
            "cluster {name} runs {runs}, and not {to}: the upgrade was taken back, because the images were not there, for example (`oi audit log --cluster {name}` says why)"
        )))
    }

    fn command(&self) -> Command {
        let name = self.name.clone();
        if let Some(to) = &self.to {
            return v1::UpgradeCluster { name, to: to.clone() }.into();
        }
        // Without the others it is --rollback.
        let change = match (self.pause, self.resume) {
            (true, _) => v1::UpgradeChange::Pause,
            (_, true) => v1::UpgradeChange::Resume,
            _ => v1::UpgradeChange::RollBack,
        };
        v1::ChangeUpgrade { name, change: change.into() }.into()
    }
}
