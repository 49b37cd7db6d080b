//! Events: what has happened. Every choice that was made on the way (ids, keys, ports,
//! places, times) is in them, so that reading never chooses again. Each is declared in the
//! file of its feature.

use crate::facts::EventFacts;
use crate::features;
use crate::features::addons::AddonsEvent;
use crate::features::authentication::AuthenticationEvent;
use crate::features::backup::BackupEvent;
use crate::features::cluster::ClusterEvent;
use crate::features::endpoint::EndpointEvent;
use crate::features::feature_level::FeatureLevelEvent;
use crate::features::hypervisor::HypervisorEvent;
use crate::features::job::JobEvent;
use crate::features::node::NodeEvent;
use crate::features::rotation::RotationEvent;
use crate::features::tenant::TenantEvent;
use crate::features::tunnel::TunnelEvent;
use crate::features::upgrade::UpgradeEvent;

features! {
    /// A fact. It cannot be refused.
    Event, EventFacts<'_> {
        Hypervisor(HypervisorEvent),
        Cluster(ClusterEvent),
        Node(NodeEvent),
        Upgrade(UpgradeEvent),
        Backup(BackupEvent),
        Rotation(RotationEvent),
        Addons(AddonsEvent),
        Tunnel(TunnelEvent),
        Endpoint(EndpointEvent),
        Authentication(AuthenticationEvent),
        Tenant(TenantEvent),
        Job(JobEvent),
        FeatureLevel(FeatureLevelEvent),
    }
}
