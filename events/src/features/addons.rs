//! Records of add-ons and join tokens.

use crate::command::Command;
use crate::credential::Credential;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, TokenId};
use crate::records;
use serde::{Deserialize, Serialize};

/// The network of a cluster's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cni {
    /// None of ours: the cluster's users install one.
    None,
    /// flannel, with VXLAN between nodes.
    Flannel,
}

/// What is kept inside of a cluster, so that worker nodes and pods can use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addons {
    /// The network of its pods.
    pub cni: Cni,
    /// kube-proxy, which makes Services reachable.
    pub kube_proxy: bool,
    /// CoreDNS, which gives Services names.
    pub dns: bool,
}

/// Asks that a cluster be made ready for worker nodes, and that these parts be kept in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAddonsV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// What is to be kept.
    pub addons: Addons,
}

/// Asks for a token with which machines join a cluster as worker nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJoinTokenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for, in the asker's words.
    pub description: String,
}

/// When a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenEnd {
    /// At a moment by the asker's clock, Unix milliseconds.
    At(u64),
    /// So long after it is made, by the clock that is recorded, milliseconds.
    After(u64),
}

/// The same, with a life that is counted from when the token is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJoinTokenV2 {
    /// The cluster.
    pub cluster: ClusterName,
    /// When it ends.
    pub end: TokenEnd,
    /// What it is for, in the asker's words.
    pub description: String,
}

impl From<CreateJoinTokenV1> for CreateJoinTokenV2 {
    fn from(old: CreateJoinTokenV1) -> Self {
        let CreateJoinTokenV1 { cluster, expires_ms, description } = old;
        CreateJoinTokenV2 { cluster, end: TokenEnd::At(expires_ms), description }
    }
}

/// Asks that a token end, or tells that it has (entered by a decider when that falls due).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeJoinTokenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which one.
    pub token: TokenId,
}

/// A cluster is ready for worker nodes, and these parts are kept in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonsSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// What is kept.
    pub addons: Addons,
}

/// Machines can join a cluster with this token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenCreatedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The part of the token that is no secret.
    pub token: TokenId,
    /// 32 random bytes, sealed, of which the secret part is made.
    pub credential: Credential,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for, in the asker's words.
    pub description: String,
}

/// Nobody can join with this token any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenEndedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which one.
    pub token: TokenId,
    /// Its time was over; otherwise it was revoked.
    pub expired: bool,
}

/// What is kept inside of a cluster was not as it should be, and was put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRepairedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The objects, for example `DaemonSet kube-system/kube-proxy`.
    pub objects: Vec<String>,
}

records! {
    /// Requests about add-ons and join tokens.
    AddonsCommand in Command::Addons, CommandFacts {
        SetAddons(c) = 29 [; 1 => SetAddonsV1] {
            about: About::cluster(&c.cluster),
            level: 3,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        CreateJoinToken(c) = 30 [1 => CreateJoinTokenV1, ; 2 => CreateJoinTokenV2] {
            about: About::cluster(&c.cluster),
            level: 4,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
        RevokeJoinToken(c) = 31 [; 1 => RevokeJoinTokenV1] {
            about: About::cluster(&c.cluster),
            level: 3,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about add-ons and join tokens.
    AddonsEvent in Event::Addons, EventFacts<'_> {
        AddonsSet(e) = 144 [; 1 => AddonsSetV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        JoinTokenCreated(e) = 145 [; 1 => JoinTokenCreatedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: std::slice::from_ref(&e.credential),
        },
        JoinTokenEnded(e) = 146 [; 1 => JoinTokenEndedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        DriftRepaired(e) = 147 [; 1 => DriftRepairedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
