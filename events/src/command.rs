//! Commands: what may be asked. Each is declared in the file of its feature.

use crate::facts::CommandFacts;
use crate::features;
use crate::features::addons::AddonsCommand;
use crate::features::authentication::AuthenticationCommand;
use crate::features::backup::BackupCommand;
use crate::features::cluster::ClusterCommand;
use crate::features::endpoint::EndpointCommand;
use crate::features::feature_level::FeatureLevelCommand;
use crate::features::hypervisor::HypervisorCommand;
use crate::features::job::JobCommand;
use crate::features::node::NodeCommand;
use crate::features::observation::ObservationCommand;
use crate::features::rotation::RotationCommand;
use crate::features::tenant::TenantCommand;
use crate::features::tunnel::TunnelCommand;
use crate::features::upgrade::UpgradeCommand;

features! {
    /// A request. It can be refused.
    Command, CommandFacts {
        Hypervisor(HypervisorCommand),
        Cluster(ClusterCommand),
        Node(NodeCommand),
        Upgrade(UpgradeCommand),
        Backup(BackupCommand),
        Rotation(RotationCommand),
        Addons(AddonsCommand),
        Tunnel(TunnelCommand),
        Endpoint(EndpointCommand),
        Authentication(AuthenticationCommand),
        Tenant(TenantCommand),
        Job(JobCommand),
        Observation(ObservationCommand),
        FeatureLevel(FeatureLevelCommand),
    }
}
