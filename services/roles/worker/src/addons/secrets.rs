//! The sealed parts of a cluster that its add-ons contain.

use super::ClusterContext;
use crate::desired::tunnel_key;
use crate::steps::{StepError, Steps};
use oi_clock::now_ms;
use oi_domain::TUNNEL_KEY;
use oi_events::{TokenId, token_letters};
use oi_keyring::Keyring;
use oi_tunnel::Key;

/// The cluster's own token cleaner works to the second: a token that expires sooner than this is
/// not written any more.
const EXPIRES_SOON_MS: u64 = 2_000;

/// A join token in the clear.
pub struct JoinToken {
    /// Its id.
    pub id: TokenId,
    /// Its secret part.
    pub secret: String,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for.
    pub description: String,
}

/// The secrets of a cluster in the clear.
pub struct ClusterSecrets {
    /// Join tokens.
    pub tokens: Vec<JoinToken>,
    /// The public key of the tunnel's hub.
    pub hub_key: Option<Key>,
}

impl Steps {
    /// Opens the secrets of a cluster.
    pub(super) async fn open_secrets(
        &self,
        cluster: &ClusterContext,
    ) -> Result<ClusterSecrets, StepError> {
        let uid = cluster.cluster.uid;
        let key = self.keyring.key(uid).await?;
        let now = now_ms() + EXPIRES_SOON_MS;
        let mut tokens = Vec::new();
        for (id, token) in cluster.addons.tokens.iter().filter(|(_, t)| t.expires_ms > now) {
            let bytes = Keyring::open(&key, uid, &token.credential)?;
            tokens.push(JoinToken {
                id: id.clone(),
                secret: token_letters(&bytes),
                expires_ms: token.expires_ms,
                description: token.description.clone(),
            });
        }
        let hub_key = match cluster.cluster.credentials.get(TUNNEL_KEY) {
            Some(sealed) => Some(tunnel_key(&Keyring::open(&key, uid, sealed)?)?.public()),
            None => None,
        };
        Ok(ClusterSecrets { tokens, hub_key })
    }
}
