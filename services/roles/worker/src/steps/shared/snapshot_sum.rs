//! The checksum at the end of a snapshot of etcd.

use sha2::{Digest, Sha256};

/// The length of the checksum: the SHA-256 of all before it.
const SUM: usize = 32;

/// Checks a snapshot as it passes by, piece by piece.
#[derive(Default)]
pub struct SnapshotSum {
    before: Sha256,
    /// The last bytes so far: the checksum, perhaps.
    last: Vec<u8>,
}

impl SnapshotSum {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.last.extend_from_slice(piece);
        let before = self.last.len().saturating_sub(SUM);
        self.before.update(&self.last[..before]);
        self.last.drain(..before);
    }

    /// Whether it ends with the checksum of the rest.
    pub fn fits(self) -> bool {
        self.last == self.before.finalize().as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pieces: &[&[u8]]) -> bool {
        let mut sum = SnapshotSum::default();
        pieces.iter().for_each(|piece| sum.update(piece));
        sum.fits()
    }

    #[test]
    fn a_snapshot_that_was_cut_or_changed_does_not_fit() {
        let body = [7; 100];
        let whole = [body.as_slice(), Sha256::digest(body).as_slice()].concat();
        assert!(fits(&[&whole]));
        for cut in [1, 31, 100, 101, 131] {
            let (a, b) = whole.split_at(cut);
            assert!(fits(&[a, b]), "in two pieces, the first of {cut}");
            assert!(!fits(&[a]), "cut after {cut}");
        }
        let mut changed = whole.clone();
        changed[3] ^= 1;
        assert!(!fits(&[&changed]) && !fits(&[b""]) && !fits(&[b"short"]));
    }
}
