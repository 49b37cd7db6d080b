//! etcdctl, in the container of a member.

use crate::desired::{NodeContext, etcd, names};
use crate::place::Place;
use crate::steps::{StepError, Steps};
use oi_events::{NodeName, chain};
use serde::Deserialize;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
/// How often a change of the membership is tried, and the pause between two tries.
pub const CHANGE_TRIES: usize = 60;
pub const PAUSE: Duration = Duration::from_millis(500);

/// The container of a member that runs.
pub struct RunningMember {
    place: Place,
    container: String,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

/// A member, as `etcdctl member list` shows it.
#[derive(Deserialize)]
pub struct Member {
    #[serde(rename = "ID")]
    id: u64,
    /// Empty until its first start.
    #[serde(default)]
    pub name: String,
    #[serde(rename = "peerURLs", default)]
    pub peer_urls: Vec<String>,
    #[serde(rename = "isLearner", default)]
    pub is_learner: bool,
}

impl Member {
    pub fn is_at(&self, url: &str) -> bool {
        self.peer_urls.iter().any(|u| u == url)
    }
}

impl RunningMember {
    /// Runs etcdctl against this member. Returns its standard output.
    pub async fn run(&self, args: &[&str], limit: Duration) -> Result<Vec<u8>, StepError> {
        let mut command = vec!["etcdctl".to_owned()];
        command.extend(etcd::client_flags());
        command.push(format!("--command-timeout={}s", limit.as_secs()));
        command.extend(args.iter().map(|&arg| arg.to_owned()));
        let output = self.place.exec(&self.container, command, limit).await?;
        if output.exit_code == 0 {
            return Ok(output.stdout);
        }
        // etcdctl logs to standard error first, and prints the error last.
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(StepError::Membership(last.trim().to_owned()))
    }

    /// The members of the cluster.
    pub async fn members(&self) -> Result<Vec<Member>, StepError> {
        let json = self.run(&["member", "list", "-w", "json"], LIMIT).await?;
        Ok(serde_json::from_slice::<Members>(&json)?.members)
    }

    /// Adds a learner, unless it is a member. etcd rejects that for some seconds after the last
    /// change, until it has seen that all members are healthy.
    pub async fn add_learner(&self, name: &str, url: &str) -> Result<(), StepError> {
        let urls = format!("--peer-urls={url}");
        let mut tries = 0;
        loop {
            if self.members().await?.iter().any(|m| m.is_at(url)) {
                return Ok(());
            }
            match self.run(&["member", "add", name, "--learner", &urls], LIMIT).await {
                Ok(_) => return Ok(()),
                Err(error) if tries >= CHANGE_TRIES => return Err(error),
                Err(error) => tracing::debug!(%error, tries, "not added yet"),
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Lets a learner vote.
    pub async fn promote(&self, member: &Member) -> Result<(), StepError> {
        let id = format!("{:x}", member.id);
        self.run(&["member", "promote", &id], LIMIT).await.map(drop)
    }

    /// The member of a node at its peer URL, if there is one. The same URL may be another node's
    /// by now, whose member has another name; one that never started has none.
    pub async fn member_of(&self, name: &str, url: &str) -> Result<Option<Member>, StepError> {
        let is_it = |m: &Member| m.is_at(url) && (m.name == name || m.name.is_empty());
        Ok(self.members().await?.into_iter().find(is_it))
    }

    /// Removes a member, and no later one of its name and URL.
    pub async fn remove(&self, member: &Member) -> Result<(), StepError> {
        let id = format!("{:x}", member.id);
        self.run(&["member", "remove", &id], LIMIT).await.map(drop)
    }
}

impl Steps {
    /// The member of a node of this cluster, if it runs.
    pub(in crate::steps) async fn member(
        &self,
        ctx: &NodeContext,
        name: &NodeName,
    ) -> Result<Option<RunningMember>, StepError> {
        let Some(hypervisor) = ctx.hypervisors.get(name) else { return Ok(None) };
        let place = self.places.at(hypervisor);
        let labels = names::pod_labels(ctx.cluster.uid, name, etcd::POD);
        let containers = match place.containers(&labels).await {
            Ok(containers) => containers,
            // Another member may run where the hypervisor answers.
            Err(error) => {
                tracing::debug!(node = %name, error = chain(&error), "member not looked at");
                return Ok(None);
            }
        };
        let running = containers.into_iter().find(|c| c.runs);
        Ok(running.map(|container| RunningMember { place, container: container.id }))
    }

    /// A running member of the cluster that votes, other than the node's own.
    pub(in crate::steps) async fn voter(
        &self,
        ctx: &NodeContext,
    ) -> Result<Option<RunningMember>, StepError> {
        let voters = ctx.cluster.nodes.iter().filter(|(_, n)| n.is_voter());
        for (name, _) in voters.filter(|(name, _)| **name != ctx.name) {
            if let Some(member) = self.member(ctx, name).await? {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}
