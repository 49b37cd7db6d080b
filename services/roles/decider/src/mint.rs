//! Keys for decisions: made here, sealed at once, recorded in events.

use oi_domain::{Ca, Leaf, Mint, MintError};
use oi_events::{ClusterUid, Credential};
use oi_keyring::Keyring;
use oi_pki::{DataKey, LeafProfile, Material};

const DAY_MS: u64 = 24 * 3600 * 1000;
/// As with kubeadm.
const CA_LIFE_MS: u64 = 3650 * DAY_MS;

/// Mints for one decision; without a key it refuses.
pub struct SealingMint {
    /// The data key of the cluster that the decision is about.
    pub key: Option<DataKey>,
    /// That of a cluster whose secret it takes over.
    pub source: Option<DataKey>,
    /// What time it is, Unix milliseconds.
    pub now_ms: u64,
    /// How long certificates of components last, milliseconds.
    pub leaf_life_ms: u64,
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    what: &str,
) -> impl FnOnce(E) -> MintError + use<'_, E> {
    move |source| MintError { what: what.to_owned(), source: Box::new(source) }
}

impl SealingMint {
    fn key(&self, what: &str) -> Result<&DataKey, MintError> {
        self.key.as_ref().ok_or_else(|| MintError {
            what: what.to_owned(),
            source: "the cluster's data key is not to be had".into(),
        })
    }

    fn sealed(
        &self,
        cluster: ClusterUid,
        name: &str,
        public: Vec<u8>,
        private: &[u8],
        not_after_ms: u64,
    ) -> Result<Credential, MintError> {
        let sealed =
            Keyring::seal(self.key(name)?, cluster, name, private).map_err(failed(name))?;
        Ok(Credential { name: name.to_owned(), public, sealed, not_after_ms })
    }

    fn material(
        &self,
        cluster: ClusterUid,
        name: &str,
        m: Material,
    ) -> Result<Credential, MintError> {
        self.sealed(cluster, name, m.certificate, &m.key, m.not_after_ms)
    }
}

fn profile(leaf: &Leaf) -> LeafProfile {
    match leaf {
        Leaf::ApiServer { dns, ips } => LeafProfile::kube_apiserver(dns.clone(), ips.clone()),
        Leaf::ApiServerKubeletClient => LeafProfile::apiserver_kubelet_client(),
        Leaf::ApiServerEtcdClient => LeafProfile::apiserver_etcd_client(),
        Leaf::EtcdServer { member, ips } => {
            LeafProfile::etcd_server(member, Vec::new(), ips.clone())
        }
        Leaf::EtcdPeer { member, peer_name, ips } => {
            LeafProfile::etcd_peer(member, vec![peer_name.clone()], ips.clone())
        }
        Leaf::EtcdHealthcheckClient => LeafProfile::etcd_healthcheck_client(),
        Leaf::FrontProxyClient => LeafProfile::front_proxy_client(),
        Leaf::ControllerManager => LeafProfile::controller_manager(),
        Leaf::Scheduler => LeafProfile::scheduler(),
    }
}

impl Mint for SealingMint {
    fn ca(&self, cluster: ClusterUid, authority: Ca) -> Result<Credential, MintError> {
        let made = oi_pki::new_ca(authority.common_name(), self.now_ms, CA_LIFE_MS)
            .map_err(failed(authority.name()))?;
        self.material(cluster, authority.name(), made)
    }

    fn key_pair(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError> {
        let (private, public) = oi_pki::key_pair().map_err(failed(name))?;
        self.sealed(cluster, name, public, &private, 0)
    }

    fn secret(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError> {
        let secret = oi_pki::random_secret().map_err(failed(name))?;
        self.sealed(cluster, name, Vec::new(), secret.as_slice(), 0)
    }

    fn reseal(
        &self,
        source: ClusterUid,
        credential: &Credential,
        cluster: ClusterUid,
    ) -> Result<Credential, MintError> {
        let name = credential.name.as_str();
        let key = self.source.as_ref().ok_or_else(|| MintError {
            what: name.to_owned(),
            source: "the data key of the cluster that it comes from is not to be had".into(),
        })?;
        let private = Keyring::open(key, source, credential).map_err(failed(name))?;
        self.sealed(cluster, name, credential.public.clone(), &private, credential.not_after_ms)
    }

    fn leaf(
        &self,
        cluster: ClusterUid,
        issuer: &Credential,
        leaf: &Leaf,
    ) -> Result<Credential, MintError> {
        let name = leaf.name();
        let ca_key = Keyring::open(self.key(name)?, cluster, issuer).map_err(failed(name))?;
        let made =
            oi_pki::issue(&issuer.public, &ca_key, &profile(leaf), self.now_ms, self.leaf_life_ms)
                .map_err(failed(name))?;
        self.material(cluster, name, made)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use oi_events::{CertificateReplacedV1, Event, Generation, Limit};
    use std::net::{IpAddr, Ipv4Addr};

    /// All that a control-plane node has, with as many names as a cluster can have.
    fn leaves() -> Vec<Leaf> {
        let names = Limit::ExtraSans.bound();
        let mut dns = vec!["a".repeat(Limit::ExtraSansText.bound() / names); names];
        dns.push(format!("kubernetes.default.svc.{}", "a".repeat(Limit::DnsDomain.bound())));
        let ips = vec![IpAddr::V4(Ipv4Addr::LOCALHOST); 50];
        let member = "a".repeat(Limit::Name.bound());
        let peer_name = oi_domain::etcd_peer_name(ClusterUid(uuid::Uuid::nil()));
        vec![
            Leaf::ApiServer { dns, ips: ips.clone() },
            Leaf::ApiServerKubeletClient,
            Leaf::ApiServerEtcdClient,
            Leaf::EtcdServer { member: member.clone(), ips: ips[..2].to_vec() },
            Leaf::EtcdPeer { member, peer_name, ips: ips[..2].to_vec() },
            Leaf::EtcdHealthcheckClient,
            Leaf::FrontProxyClient,
            Leaf::ControllerManager,
            Leaf::Scheduler,
        ]
    }

    #[test]
    fn all_certificates_of_the_largest_cluster_are_renewed_in_one_decision() {
        let uid = ClusterUid(uuid::Uuid::nil());
        let key = Some(DataKey::generate().unwrap());
        let now_ms = 1_790_000_000_000;
        let mint = SealingMint { key, source: None, now_ms, leaf_life_ms: 365 * DAY_MS };
        let mut bytes = 0;
        for leaf in leaves() {
            let issuer = mint.ca(uid, leaf.ca()).unwrap();
            let credential = mint.leaf(uid, &issuer, &leaf).unwrap();
            let name = "a".repeat(Limit::Name.bound());
            let (cluster, node) = (name.parse().unwrap(), name.parse().unwrap());
            let generation = Generation(1_000_000_000);
            let event: Event =
                CertificateReplacedV1 { cluster, node, generation, credential }.into();
            // With the frame around it.
            bytes += event.encode().unwrap().len() + 16;
        }
        let all = bytes * Limit::Nodes.bound();
        assert!(all < oi_journal::Entry::LARGEST, "{all} bytes");
    }
}
