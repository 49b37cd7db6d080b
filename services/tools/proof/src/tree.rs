//! The Merkle tree of RFC 6962, section 2.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// SHA-256.
pub type Digest = [u8; 32];

/// A hash in base64; none if the text is something else.
pub(crate) fn read_digest(text: &str) -> Option<Digest> {
    let Ok(Ok(digest)) = STANDARD.decode(text).map(Digest::try_from) else { return None };
    Some(digest)
}

/// The hash of an entry.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash over two subtrees.
pub(crate) fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that grows. It holds the roots of its complete subtrees only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The largest subtree first.
    peaks: Vec<Digest>,
}

impl Tree {
    /// Adds an entry by its [`leaf_hash`].
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        let mut complete = self.size;
        while complete & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            complete >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// How many entries it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root, which names all entries and their order.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Sha256::digest([]).into() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}
