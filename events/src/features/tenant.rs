//! Records of whose a cluster is.

use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::features::cluster::ClusterSpec;
use crate::ids::{ClusterName, TenantName};
use crate::records;
use serde::{Deserialize, Serialize};

/// Asks for a cluster that is a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateClusterForTenantV1 {
    /// Whose it is.
    pub tenant: TenantName,
    /// Its name.
    pub name: ClusterName,
    /// What it is made with.
    pub spec: ClusterSpec,
}

/// Asks that a cluster be a tenant's, or nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTenantV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Whose it is; none for nobody's.
    pub tenant: Option<TenantName>,
}

/// A cluster is a tenant's from here on, or nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Whose it is; none for nobody's.
    pub tenant: Option<TenantName>,
}

records! {
    /// Requests about whose a cluster is.
    TenantCommand in Command::Tenant, CommandFacts {
        CreateClusterForTenant(c) = 40 [; 1 => CreateClusterForTenantV1] {
            about: About::cluster(&c.name),
            level: 4,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::New,
        },
        SetTenant(c) = 41 [; 1 => SetTenantV1] {
            about: About::cluster(&c.cluster),
            level: 4,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about whose a cluster is.
    TenantEvent in Event::Tenant, EventFacts<'_> {
        TenantSet(e) = 160 [; 1 => TenantSetV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
