//! Issuing client certificates: recorded in the log before they are handed out.

use crate::convert::{actor, parse};
use crate::operation::{no_ingress, unknown};
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_clock::now_ms;
use oi_domain::{Ca, fingerprint};
use oi_events::Code;
use oi_events::{ClusterName, CommandEnvelope, CommandId, Endpoint, RecordKubeconfigV2};
use oi_keyring::Keyring;
use oi_pki::LeafProfile;
use oi_proto::v1;
use uuid::Uuid;

const DAY_S: u64 = 24 * 3600;
/// A binding in each cluster gives it all rights there, until somebody takes that away.
const ADMINISTRATORS: &str = "kubeadm:cluster-admins";

impl Gateway {
    /// Signs, records, returns.
    pub(crate) async fn issue(
        &self,
        request: v1::CreateKubeconfigRequest,
    ) -> Result<v1::CreateKubeconfigResponse, Rejected> {
        let name: ClusterName = parse("cluster", &request.cluster)?;
        let actor = actor(&request.actor)?;
        let found = self.view.read(|s| {
            let c = s.clusters.get(&name)?;
            let trusted = c.trusted(Ca::Kubernetes).into_iter().map(|a| a.public.clone());
            // Under another name, only its ingress' own port asks for none.
            let endpoint = match request.endpoint_host_override.as_str() {
                "" => s.endpoint(c),
                host => s.endpoints(c).first().map(|oldest| Endpoint {
                    host: host.to_owned(),
                    port: oldest.port(),
                    forwarded: true,
                }),
            };
            Some((c.uid, c.signs_users().cloned(), trusted.collect::<Vec<_>>(), endpoint))
        });
        let (uid, ca, trusted, endpoint) = found.ok_or_else(|| unknown(&name))?;
        let ca =
            ca.ok_or_else(|| Rejected::new(Code::KeyMaterial, "the cluster has no authority"))?;
        let endpoint = endpoint.ok_or_else(|| no_ingress(&name))?;
        let user = if request.user.is_empty() { "kubernetes-admin" } else { &request.user };
        let groups: Vec<&str> = match request.groups.as_slice() {
            [] => vec![ADMINISTRATORS],
            groups => groups.iter().map(String::as_str).collect(),
        };
        let life_s = if request.lifetime_seconds == 0 { DAY_S } else { request.lifetime_seconds };
        let unusable =
            |e: oi_keyring::KeyringError| Rejected::new(Code::KeyMaterial, e.to_string());
        let key = self.handles.keyring.key(uid).await.map_err(unusable)?;
        let ca_key = Keyring::open(&key, uid, &ca).map_err(unusable)?;
        let profile = LeafProfile::client(user, &groups);
        let life_ms = life_s.saturating_mul(1000);
        let leaf = oi_pki::issue(&ca.public, &ca_key, &profile, now_ms(), life_ms)
            .map_err(|e| Rejected::field("user", e))?;
        let id = CommandId(Uuid::now_v7());
        let record = RecordKubeconfigV2 {
            cluster: name.clone(),
            common_name: user.to_owned(),
            organizations: groups.iter().map(|&g| g.to_owned()).collect(),
            serial: leaf.serial_hex.clone(),
            not_after_ms: leaf.not_after_ms,
            issuer: fingerprint(&ca),
        };
        self.decide(&CommandEnvelope::new(id, actor, now_ms(), record)).await?;
        let server = format!("https://{endpoint}");
        let text = oi_pki::kubeconfig(
            name.as_str(),
            &server,
            &trusted,
            user,
            &leaf.certificate,
            &leaf.key,
        );
        Ok(v1::CreateKubeconfigResponse {
            kubeconfig: text.to_string(),
            serial: leaf.serial_hex,
            not_after_ms: leaf.not_after_ms,
        })
    }
}
