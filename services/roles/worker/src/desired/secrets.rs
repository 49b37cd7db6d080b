//! The credentials of a node, opened.

use super::{DesiredError, NodeContext};
use oi_domain::{Ca, TUNNEL_KEY};
use oi_events::{ClusterUid, Credential};
use oi_keyring::Keyring;
use oi_pki::{DataKey, Zeroizing, certificate_pem, private_key_pem};
use oi_tunnel::Key;

/// Opens the credentials of a node and encodes them for files.
pub struct Secrets<'a> {
    /// The node.
    pub ctx: &'a NodeContext,
    /// The data key of its cluster.
    pub key: &'a DataKey,
}

impl Secrets<'_> {
    fn uid(&self) -> ClusterUid {
        self.ctx.cluster.uid
    }

    /// A credential of the node, or else of the cluster.
    fn credential(&self, name: &str) -> Result<&Credential, DesiredError> {
        let (node, cluster) = (&self.ctx.node.credentials, &self.ctx.cluster.credentials);
        node.get(name)
            .or_else(|| cluster.get(name))
            .ok_or_else(|| DesiredError::NoCredential(name.to_owned()))
    }

    /// The private key, DER or raw.
    pub fn private(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, DesiredError> {
        Ok(Keyring::open(self.key, self.uid(), self.credential(name)?)?)
    }

    /// The certificate or public key, DER.
    pub fn public(&self, name: &str) -> Result<&[u8], DesiredError> {
        Ok(&self.credential(name)?.public)
    }

    /// The certificate, PEM.
    pub fn certificate(&self, name: &str) -> Result<Vec<u8>, DesiredError> {
        Ok(certificate_pem(self.public(name)?).into_bytes())
    }

    /// The private key, PEM.
    pub fn private_key(&self, name: &str) -> Result<Vec<u8>, DesiredError> {
        Ok(private_key_pem(&self.private(name)?).as_bytes().to_vec())
    }

    /// The trusted certificates of a CA, PEM.
    pub fn trusted(&self, ca: Ca) -> Result<Vec<u8>, DesiredError> {
        let pem: String = self.ctx.trusted(ca);
        let absent = || DesiredError::NoCredential(ca.name().to_owned());
        if pem.is_empty() { Err(absent()) } else { Ok(pem.into_bytes()) }
    }

    /// The private key of the tunnel's hub.
    pub fn tunnel_key(&self) -> Result<Key, DesiredError> {
        tunnel_key(&self.private(TUNNEL_KEY)?)
    }
}

/// Reads the private key of a tunnel's hub.
pub fn tunnel_key(bytes: &[u8]) -> Result<Key, DesiredError> {
    let bytes = bytes.try_into().map_err(|_| DesiredError::NoCredential(TUNNEL_KEY.to_owned()))?;
    Ok(Key(bytes))
}
