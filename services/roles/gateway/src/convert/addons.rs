//! Add-ons and join tokens, between requests, the state and answers.

use super::{IntoCommand, parse};
use crate::rejected::Rejected;
use oi_domain::InstalledAddons;
use oi_events::{
    Addons, Cni, Command, CreateJoinTokenV2, RevokeJoinTokenV1, SetAddonsV1, TokenEnd,
};
use oi_proto::v1;

impl IntoCommand for v1::SetAddons {
    fn into_command(self) -> Result<Command, Rejected> {
        let addons = self.addons.ok_or_else(|| Rejected::field("addons", "is absent"))?;
        Ok(SetAddonsV1 {
            cluster: parse("cluster", &self.cluster)?,
            addons: Addons {
                cni: match addons.cni() {
                    v1::Cni::None => Cni::None,
                    v1::Cni::Flannel => Cni::Flannel,
                    v1::Cni::Unspecified => {
                        return Err(Rejected::field("addons.cni", "is unknown or absent"));
                    }
                },
                kube_proxy: addons.kube_proxy,
                dns: addons.dns,
            },
        }
        .into())
    }
}

impl IntoCommand for v1::CreateJoinToken {
    fn into_command(self) -> Result<Command, Rejected> {
        let end = match (self.expires_ms, self.life_ms) {
            (0, 0) => return Err(Rejected::field("life_ms", "is absent")),
            (at, 0) => TokenEnd::At(at),
            (0, life) => TokenEnd::After(life),
            _ => return Err(Rejected::field("life_ms", "and expires_ms: give one of them")),
        };
        Ok(CreateJoinTokenV2 {
            cluster: parse("cluster", &self.cluster)?,
            end,
            description: self.description,
        }
        .into())
    }
}

impl IntoCommand for v1::RevokeJoinToken {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(RevokeJoinTokenV1 {
            cluster: parse("cluster", &self.cluster)?,
            token: parse("token", &self.token)?,
        }
        .into())
    }
}

/// As a message.
pub fn shown(addons: &InstalledAddons) -> v1::Addons {
    let cni = match addons.spec.cni {
        Cni::None => v1::Cni::None,
        Cni::Flannel => v1::Cni::Flannel,
    };
    v1::Addons { cni: cni.into(), kube_proxy: addons.spec.kube_proxy, dns: addons.spec.dns }
}
