//! What machines need to join a cluster.

use crate::convert::parse;
use crate::operation::{no_ingress, unknown};
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_domain::{Ca, Cluster, JoinToken};
use oi_events::Code;
use oi_events::{ClusterName, CommandId, TokenId, token_letters};
use oi_keyring::Keyring;
use oi_pki::{certificate_pem, public_key_hash};
use oi_proto::v1;

fn token((id, token): (&TokenId, &JoinToken)) -> v1::JoinToken {
    v1::JoinToken {
        id: id.to_string(),
        expires_ms: token.expires_ms,
        description: token.description.clone(),
    }
}

/// A cluster's tokens, without their secret parts.
pub fn tokens(c: &Cluster) -> Vec<v1::JoinToken> {
    c.addons.iter().flat_map(|addons| &addons.tokens).map(token).collect()
}

/// A token's id, or that of the command that asked for it.
fn token_id(text: &str) -> Result<TokenId, Rejected> {
    text.parse::<CommandId>().map(TokenId::of).or_else(|_| parse("token", text))
}

impl Gateway {
    /// Opens a token.
    pub(crate) async fn join_token(
        &self,
        request: &v1::GetJoinTokenRequest,
    ) -> Result<v1::GetJoinTokenResponse, Rejected> {
        let name: ClusterName = parse("cluster", &request.cluster)?;
        let id = token_id(&request.token)?;
        let found = self.view.read(|s| {
            let c = s.clusters.get(&name)?;
            let trusted = c.trusted(Ca::Kubernetes).into_iter().map(|a| a.public.clone());
            let token = c.addons.as_ref().and_then(|i| i.tokens.get(&id)).cloned();
            Some((c.uid, token, trusted.collect::<Vec<_>>(), s.endpoint(c)))
        });
        let (uid, found, trusted, endpoint) = found.ok_or_else(|| unknown(&name))?;
        let absent =
            oi_domain::Rejection::TokenUnknown { cluster: name.clone(), token: id.clone() };
        let found = found.ok_or_else(|| Rejected::new(absent.code(), absent.to_string()))?;
        let endpoint = endpoint.ok_or_else(|| no_ingress(&name))?;
        let unusable =
            |e: oi_keyring::KeyringError| Rejected::new(Code::KeyMaterial, e.to_string());
        let key = self.handles.keyring.key(uid).await.map_err(unusable)?;
        let secret = Keyring::open(&key, uid, &found.credential).map_err(unusable)?;
        let hash = |der: &Vec<u8>| {
            public_key_hash(der).map_err(|e| Rejected::new(Code::KeyMaterial, e.to_string()))
        };
        let hashes: Vec<_> = trusted.iter().map(hash).collect::<Result<_, _>>()?;
        Ok(v1::GetJoinTokenResponse {
            secret: format!("{id}.{}", token_letters(&secret)),
            token: Some(token((&id, &found))),
            endpoint: endpoint.to_string(),
            authorities: trusted.iter().map(|der| certificate_pem(der)).collect(),
            authority_hashes: hashes.iter().map(|h| format!("sha256:{}", hex::encode(h))).collect(),
        })
    }
}
