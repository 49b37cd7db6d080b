//! Join tokens that end.

use crate::cluster::{Cluster, ClusterPhase};
use oi_events::{ClusterName, Command, RevokeJoinTokenV1};

/// Tokens whose time is over.
pub(crate) fn due(name: &ClusterName, cluster: &Cluster, now_ms: u64) -> Vec<Command> {
    let staying = cluster.phase != ClusterPhase::Deleting;
    let tokens = cluster.addons.iter().filter(|_| staying).flat_map(|a| &a.tokens);
    let ended = tokens.filter(|(_, t)| t.expires_ms <= now_ms);
    ended
        .map(|(token, _)| RevokeJoinTokenV1 { cluster: name.clone(), token: token.clone() }.into())
        .collect()
}
