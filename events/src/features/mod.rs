//! What may be said, by feature: the types of its records, and the facts of each.

pub mod addons;
pub mod authentication;
pub mod backup;
pub mod cluster;
pub mod endpoint;
pub mod feature_level;
pub mod hypervisor;
pub mod job;
pub mod node;
pub mod observation;
pub mod rotation;
pub mod tenant;
pub mod tunnel;
pub mod upgrade;
