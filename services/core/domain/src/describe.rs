//! What happened, in a line for people.

use crate::{
    addons, authentication, backup, cluster, endpoint, feature_level, hypervisor, job, node,
    rotation, tenant, tunnel, upgrade,
};
use oi_events::{About, ClusterName, Event, HypervisorName, JobId, NodeName};

/// What an event is about, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The cluster, if any.
    pub cluster: Option<ClusterName>,
    /// The node, if any.
    pub node: Option<NodeName>,
    /// The hypervisor, if any.
    pub hypervisor: Option<HypervisorName>,
    /// The job, if any.
    pub job: Option<JobId>,
    /// What happened.
    pub summary: String,
}

/// Describes an event.
pub fn describe(event: &Event) -> Description {
    let About { cluster, source: _, node, hypervisor, job } = event.facts().about;
    Description { cluster, node, hypervisor, job, summary: summary(event) }
}

/// What happened, in a line for people.
fn summary(event: &Event) -> String {
    match event {
        Event::Hypervisor(e) => hypervisor::events::summary(e),
        Event::Cluster(e) => cluster::events::summary(e),
        Event::Node(e) => node::events::summary(e),
        Event::Upgrade(e) => upgrade::events::summary(e),
        Event::Backup(e) => backup::events::summary(e),
        Event::Rotation(e) => rotation::events::summary(e),
        Event::Addons(e) => addons::events::summary(e),
        Event::Tunnel(e) => tunnel::events::summary(e),
        Event::Endpoint(e) => endpoint::events::summary(e),
        Event::Authentication(e) => authentication::events::summary(e),
        Event::Tenant(e) => tenant::events::summary(e),
        Event::Job(e) => job::events::summary(e),
        Event::FeatureLevel(e) => feature_level::events::summary(e),
    }
}
