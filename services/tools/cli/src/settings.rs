//! What of a cluster's document can be changed later: each with its own command.

use oi_proto::manifest::{ClusterSpec, Metadata};
use oi_proto::v1::{self, submit_request::Command};

/// One of them, as its document wants it.
pub enum Setting {
    /// What is kept inside of it.
    Addons(v1::SetAddons),
    /// Its tunnel.
    Tunnel(v1::EnableTunnel),
    /// Where it is reached.
    Endpoint(v1::SetEndpoint),
    /// Who says who its users are.
    Authentication(v1::SetAuthentication),
}

/// Those of which a document says something.
pub fn settings(m: &Metadata, s: &ClusterSpec) -> Vec<Setting> {
    let cluster = || m.name.clone();
    let addons = s.addons.map(|addons| {
        Setting::Addons(v1::SetAddons { cluster: cluster(), addons: Some(addons.into()) })
    });
    let tunnel = s.tunnel.as_ref().map(|tunnel| {
        Setting::Tunnel(v1::EnableTunnel { cluster: cluster(), cidr: tunnel.cidr.clone() })
    });
    let endpoint = s.endpoint.as_ref().map(|endpoint| {
        let endpoint = Some(endpoint.into());
        Setting::Endpoint(v1::SetEndpoint { cluster: cluster(), endpoint })
    });
    let authentication = s.authentication.as_ref().map(|spec| {
        let issuers = spec.jwt.iter().map(v1::Issuer::from).collect();
        Setting::Authentication(v1::SetAuthentication { cluster: cluster(), issuers })
    });
    [addons, tunnel, endpoint, authentication].into_iter().flatten().collect()
}

/// With certificates by their content: comments and line ends make no other ones.
fn plain(issuers: &[v1::Issuer]) -> Vec<v1::Issuer> {
    let bodies = |pem: &str| {
        let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
        let bodies = blocks.filter_map(|block| block.split("-----END").next());
        let bare = |body: &str| body.split_whitespace().collect::<String>();
        bodies.map(bare).collect::<Vec<_>>().join("\n")
    };
    let one = |i: &v1::Issuer| v1::Issuer {
        certificate_authority: bodies(&i.certificate_authority),
        ..i.clone()
    };
    issuers.iter().map(one).collect()
}

impl Setting {
    /// Whether a cluster is so already.
    pub fn is_in(&self, have: &v1::Cluster) -> bool {
        match self {
            Setting::Addons(want) => have.addons == want.addons,
            Setting::Tunnel(want) => {
                have.tunnel.as_ref().is_some_and(|tunnel| tunnel.cidr == want.cidr)
            }
            Setting::Endpoint(want) => have.own_endpoint == want.endpoint,
            Setting::Authentication(want) => {
                let have = have.authentication.as_ref().map(|a| a.issuers.as_slice());
                plain(have.unwrap_or_default()) == plain(&want.issuers)
            }
        }
    }

    /// The command that makes it so.
    pub fn command(self) -> Command {
        match self {
            Setting::Addons(command) => Command::SetAddons(command),
            Setting::Tunnel(command) => Command::EnableTunnel(command),
            Setting::Endpoint(command) => Command::SetEndpoint(command),
            Setting::Authentication(command) => Command::SetAuthentication(command),
        }
    }

    /// What to say once that is taken.
    pub fn said(&self) -> String {
        match self {
            Setting::Addons(_) => "made for worker nodes".to_owned(),
            Setting::Tunnel(_) => "a tunnel to worker nodes".to_owned(),
            Setting::Endpoint(_) => "an endpoint of its own".to_owned(),
            Setting::Authentication(s) => format!("{} issuer(s) of users' tokens", s.issuers.len()),
        }
    }
}
