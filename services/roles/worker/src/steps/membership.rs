//! Changes of etcd's membership, through a member that is in it: a new one joins as
//! a learner and is promoted once it has caught up.

use super::{Site, StepError, Steps};
use crate::names;
use crate::pods::Target;
use crate::pods::etcd::{self, Joining};
use oi_cri::CriClient;
use oi_domain::ClusterPhase;
use oi_events::{NodeName, PortUse};
use serde::Deserialize;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
const CHANGE_TRIES: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(rename = "ID")]
    id: u64,
    /// Empty until its first start.
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
    #[serde(rename = "isLearner", default)]
    is_learner: bool,
}

/// The container of a member that votes.
pub(super) struct Voter {
    client: CriClient,
    container: String,
}

impl Voter {
    async fn etcdctl(&self, args: &[&str]) -> Result<Vec<u8>, StepError> {
        let args: Vec<String> = args.iter().map(|&a| a.to_owned()).collect();
        self.etcdctl_within(&args, LIMIT).await
    }

    /// The same with a limit of its own.
    pub(super) async fn etcdctl_within(
        &self,
        args: &[String],
        limit: Duration,
    ) -> Result<Vec<u8>, StepError> {
        let mut command = vec!["etcdctl".to_owned()];
        command.extend(etcd::client_flags());
        command.push(format!("--command-timeout={}s", limit.as_secs()));
        command.extend(args.iter().cloned());
        let output = self.client.exec(&self.container, command, limit).await?;
        if output.exit_code == 0 {
            return Ok(output.stdout);
        }
        // Its own log goes before what it has to say.
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(StepError::Membership(last.trim().to_owned()))
    }

    /// Adds a learner, unless it is there. etcd refuses that for some seconds after the
    /// last change, until all members have been seen to be well.
    async fn add(&self, name: &str, url: &str) -> Result<(), StepError> {
        let urls = format!("--peer-urls={url}");
        let mut tries = 0;
        loop {
            if self.members().await?.iter().any(|m| m.peer_urls.iter().any(|u| u == url)) {
                return Ok(());
            }
            match self.etcdctl(&["member", "add", name, "--learner", &urls]).await {
                Ok(_) => return Ok(()),
                Err(error) if tries >= CHANGE_TRIES => return Err(error),
                Err(error) => tracing::debug!(%error, tries, "not added yet"),
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Removes the member at a peer URL, where it is one.
    async fn remove(&self, url: &str) -> Result<(), StepError> {
        match self.members().await?.iter().find(|m| m.peer_urls.iter().any(|u| u == url)) {
            None => Ok(()),
            Some(m) => self.etcdctl(&["member", "remove", &format!("{:x}", m.id)]).await.map(drop),
        }
    }

    async fn members(&self) -> Result<Vec<Member>, StepError> {
        let json = self.etcdctl(&["member", "list", "-w", "json"]).await?;
        Ok(serde_json::from_slice::<Members>(&json)?.members)
    }
}

impl Steps {
    /// A running member of the cluster other than `target`'s.
    async fn voter(&self, target: &Target) -> Result<Option<Voter>, StepError> {
        let voters = target.cluster.nodes.iter().filter(|(_, n)| n.is_voter());
        let others = voters.filter(|(name, _)| **name != target.name);
        for (name, _) in others {
            if let Some(member) = self.member(target, name).await? {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// The running member of a node of `target`'s cluster.
    pub(super) async fn member(
        &self,
        target: &Target,
        name: &NodeName,
    ) -> Result<Option<Voter>, StepError> {
        let Some(h) = target.hypervisors.get(name) else { return Ok(None) };
        let client = self.hypervisors.client(h)?;
        let labels = names::pod_labels(target.cluster.uid, name, etcd::POD);
        // Another member may answer where this one's hypervisor does not.
        let Ok(containers) = client.containers(&labels).await else { return Ok(None) };
        let running = oi_cri::CONTAINER_RUNNING;
        let found = containers.into_iter().find(|c| c.state == running);
        Ok(found.map(|container| Voter { client, container: container.id }))
    }

    /// How the member finds the others; where it is not among them yet, it is added
    /// as a learner.
    pub(super) async fn join(&self, site: &Site) -> Result<Joining, StepError> {
        let target = &site.target;
        let own = etcd::member_entry(target)?;
        let cluster = &target.cluster;
        let first = cluster.is_oldest(&target.name);
        let existing = Joining { initial_cluster: own.clone(), state: "existing" };
        if target.node.joined {
            // Its own data tells it the rest, and without data etcd refuses to start.
            return Ok(existing);
        }
        let others = cluster.nodes.iter().any(|(name, n)| *name != target.name && n.joined);
        // Only here may etcd begin with nothing: a cluster that was ready has data.
        if first && !others && cluster.phase == ClusterPhase::Creating {
            return Ok(Joining { initial_cluster: own, state: "new" });
        }
        let url = format!("https://{}", target.address(PortUse::EtcdPeer)?);
        let Some(voter) = self.voter(target).await? else {
            return Err(StepError::Membership("no other member answers".to_owned()));
        };
        // Beside one that is down etcd takes no new member. That one goes first; etcd
        // refuses that where the others are no majority.
        if let Some(broken) = &target.node.replaces
            && let Some(node) = cluster.nodes.get(broken).filter(|n| n.broken)
        {
            let url = target.address_of(broken, node, PortUse::EtcdPeer)?;
            voter.remove(&format!("https://{url}")).await?;
        }
        voter.add(target.name.as_str(), &url).await?;
        let mut entries = Vec::new();
        for member in voter.members().await? {
            for peer in &member.peer_urls {
                let name = if *peer == url { target.name.as_str() } else { &member.name };
                entries.push(format!("{name}={peer}"));
            }
        }
        Ok(Joining { initial_cluster: entries.join(","), state: "existing" })
    }

    /// The member votes.
    pub(super) async fn promote(&self, site: &Site) -> Result<(), StepError> {
        let Some(voter) = self.voter(&site.target).await? else { return Ok(()) };
        let url = format!("https://{}", site.target.address(PortUse::EtcdPeer)?);
        let mut last = None;
        for _ in 0..CHANGE_TRIES {
            let members = voter.members().await?;
            let Some(own) = members.iter().find(|m| m.peer_urls.contains(&url)) else {
                return Err(StepError::Membership(format!("{} is no member", site.target.name)));
            };
            if !own.is_learner {
                return Ok(());
            }
            match voter.etcdctl(&["member", "promote", &format!("{:x}", own.id)]).await {
                Ok(_) => return Ok(()),
                // It has not caught up yet.
                Err(e) => last = Some(e),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(last.unwrap_or_else(|| StepError::Membership("not promoted".to_owned())))
    }

    /// The member of a node that goes is out of the cluster.
    pub(super) async fn leave(&self, target: &Target) -> Result<(), StepError> {
        let voter = self
            .voter(target)
            .await?
            .ok_or_else(|| StepError::Membership("no other member answers".to_owned()))?;
        let url = format!("https://{}", target.address(PortUse::EtcdPeer)?);
        voter.remove(&url).await
    }
}
