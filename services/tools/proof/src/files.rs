//! Proofs as files: inclusion as c2sp.org/tlog-proof@v1, consistency as in a request of
//! c2sp.org/tlog-witness. Both carry the checkpoint that they are about.

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::Verifier;
use crate::prove::{consistency_roots, inclusion_root};
use crate::tree::{Digest, leaf_hash, read_digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt;

const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// A proof that proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not the form of such a file.
    #[error("it is not {0}")]
    Form(&'static str),
    /// Its checkpoint.
    #[error("its checkpoint cannot be believed")]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not where the proof says, or is another one.
    #[error("it does not prove that this entry is number {index} of the {size} (from 0)")]
    NotIncluded {
        /// Where the entry should be.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The older tree is not the beginning of the newer one.
    #[error("it does not prove that the log of {new} entries began with the log of {old}")]
    NotConsistent {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
}

fn number(line: &str, name: &str) -> Option<u64> {
    let Ok(number) = line.strip_prefix(name)?.strip_prefix(' ')?.parse() else { return None };
    Some(number)
}

/// The hashes, one a line.
fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Digest>> {
    lines.map(read_digest).collect()
}

fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Digest]) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))
}

/// That an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Which entry, from 0.
    pub index: u64,
    /// The hashes from the entry to the root.
    pub hashes: Vec<Digest>,
    /// The signed checkpoint, as it is.
    pub checkpoint: String,
}

impl InclusionProof {
    /// Reads it from a file. Extra data is ignored.
    ///
    /// # Errors
    /// [`FileError::Form`].
    pub fn parse(text: &str) -> Result<InclusionProof, FileError> {
        let form = || FileError::Form("an inclusion proof (c2sp.org/tlog-proof@v1)");
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(form)?;
        let mut lines = head.lines().peekable();
        if lines.next() != Some(MAGIC) {
            return Err(form());
        }
        lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|l| number(l, "index")).ok_or_else(form)?;
        let hashes = hashes(lines).ok_or_else(form)?;
        Ok(InclusionProof { index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that `entry` is in the log of which the checkpoint tells, and returns that.
    ///
    /// # Errors
    /// Why that is not proved.
    pub fn check(&self, entry: &[u8], verifier: &Verifier) -> Result<Checkpoint, FileError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        let (index, size) = (self.index, checkpoint.size);
        match inclusion_root(index, size, leaf_hash(entry), &self.hashes) {
            Some(root) if root == checkpoint.root => Ok(checkpoint),
            _ => Err(FileError::NotIncluded { index, size }),
        }
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}\nindex {}", self.index)?;
        write_hashes(f, &self.hashes)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// That a log only grew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// How many entries the older log had.
    pub old: u64,
    /// The hashes from the older root to the newer.
    pub hashes: Vec<Digest>,
    /// The signed checkpoint of the newer, as it is.
    pub checkpoint: String,
}

impl ConsistencyProof {
    /// Reads it from a file.
    ///
    /// # Errors
    /// [`FileError::Form`].
    pub fn parse(text: &str) -> Result<ConsistencyProof, FileError> {
        let form = || FileError::Form("a consistency proof (old SIZE, hashes, a checkpoint)");
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(form)?;
        let mut lines = head.lines();
        let old = lines.next().and_then(|l| number(l, "old")).ok_or_else(form)?;
        let hashes = hashes(lines).ok_or_else(form)?;
        Ok(ConsistencyProof { old, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that the log of the proof's checkpoint began with that of `old`, and
    /// returns the newer checkpoint.
    ///
    /// # Errors
    /// Why that is not proved.
    pub fn check(&self, old: &Checkpoint, verifier: &Verifier) -> Result<Checkpoint, FileError> {
        let new = Checkpoint::open(&self.checkpoint, verifier)?;
        let refused = FileError::NotConsistent { old: old.size, new: new.size };
        if old.size != self.old || old.origin != new.origin {
            return Err(refused);
        }
        match consistency_roots(old.size, new.size, old.root, &self.hashes) {
            Some((before, after)) if before == old.root && after == new.root => Ok(new),
            _ => Err(refused),
        }
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        write_hashes(f, &self.hashes)?;
        write!(f, "\n{}", self.checkpoint)
    }
}
