//! What is known of tenants.

use oi_events::{ClusterName, TenantName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Of so many clusters that are gone, or another's, it is remembered whose they were.
const REMEMBERED: usize = 4096;

/// A time in which a cluster was a tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tenancy {
    tenant: TenantName,
    /// The position at which it began.
    since: u64,
}

/// Whose each cluster is and was. A name can be another tenant's later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tenants {
    standing: BTreeMap<ClusterName, Tenancy>,
    /// With the last position of each, in their order.
    ended: VecDeque<(ClusterName, Tenancy, u64)>,
}

impl Tenants {
    /// Whose a cluster is.
    pub fn of(&self, cluster: &ClusterName) -> Option<&TenantName> {
        self.standing.get(cluster).map(|t| &t.tenant)
    }

    /// Whose the cluster of that name was at a position, as far as it is remembered.
    pub fn at(&self, cluster: &ClusterName, position: u64) -> Option<&TenantName> {
        if let Some(t) = self.standing.get(cluster).filter(|t| t.since <= position) {
            return Some(&t.tenant);
        }
        let was = |(name, t, until): &&(ClusterName, Tenancy, u64)| {
            name == cluster && (t.since..=*until).contains(&position)
        };
        self.ended.iter().rev().find(was).map(|(_, t, _)| &t.tenant)
    }

    pub(crate) fn set(&mut self, cluster: &ClusterName, tenant: Option<TenantName>, here: u64) {
        if let Some(before) = self.standing.remove(cluster) {
            self.ended.push_back((cluster.clone(), before, here));
            if self.ended.len() > REMEMBERED {
                self.ended.pop_front();
            }
        }
        if let Some(tenant) = tenant {
            self.standing.insert(cluster.clone(), Tenancy { tenant, since: here });
        }
    }
}
