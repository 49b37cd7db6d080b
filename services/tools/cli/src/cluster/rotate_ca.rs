//! `oi cluster rotate-ca`.

use crate::client::Client;
use crate::error::Failure;
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::v1;

/// Replace a cluster's certificate authorities, in three steps: this one makes new
/// ones, and lets all components trust both. Hand out new kubeconfigs after it, for
/// those issued before are refused after the last step.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when the step is done on all nodes")))]
#[command(mut_arg("timeout", |a| a.default_value("900")))]
pub struct RotateCa {
    /// Its name.
    name: String,
    /// The second step: the new ones sign, and all certificates are made anew.
    #[arg(long, conflicts_with_all = ["finish", "abort"])]
    switch: bool,
    /// The last step: the old ones are no longer trusted.
    #[arg(long, conflicts_with = "abort")]
    finish: bool,
    /// Instead of the second step: forget the new ones.
    #[arg(long)]
    abort: bool,
    #[command(flatten)]
    wait: Wait,
}

impl RotateCa {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = &self.name;
        let (step, then) = self.step();
        client.submit(v1::RotateCa { name: name.clone(), step: step.into() }).await?;
        wait::for_cluster(client, name, self.wait.limit(), is_rotated).await?;
        eprintln!("cluster {name}: {then}");
        Ok(())
    }

    /// The step, and what comes after it.
    fn step(&self) -> (v1::RotationStep, &'static str) {
        match (self.switch, self.finish, self.abort) {
            (true, _, _) => (v1::RotationStep::Switch, "--finish ends the trust in the old ones"),
            (_, true, _) => (v1::RotationStep::Finish, "older kubeconfigs are refused"),
            (_, _, true) => (v1::RotationStep::Abort, "the new ones are forgotten"),
            _ => (v1::RotationStep::Start, "hand out new kubeconfigs, then --switch"),
        }
    }
}

fn is_rotated(c: &v1::Cluster, _: &[v1::Node]) -> bool {
    // The last stage ends with the rotation.
    let retires = |r: &v1::Rotation| r.stage() == v1::RotationStage::Retire;
    c.rotation.as_ref().is_none_or(|r| r.nodes_behind == 0 && !retires(r))
}
