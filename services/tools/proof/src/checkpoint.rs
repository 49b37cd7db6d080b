//! The head of a log as text (c2sp.org/tlog-checkpoint).

use crate::note::{NoteError, Signer, Verifier};
use crate::tree::{Digest, Tree, read_digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A checkpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Its signature.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text.
    #[error("it is not a checkpoint: {0}")]
    Form(&'static str),
    /// It is about another log.
    #[error("it is about the log {found}, not {expected}")]
    Origin {
        /// What it names.
        found: String,
        /// What was expected.
        expected: String,
    },
}

/// How many entries a log has, and the root over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of their tree.
    pub root: Digest,
}

impl Checkpoint {
    /// The present head of a tree.
    pub fn of(origin: &str, tree: &Tree) -> Checkpoint {
        Checkpoint { origin: origin.to_owned(), size: tree.size(), root: tree.root() }
    }

    /// As a signed note.
    pub fn sign(&self, signer: &Signer) -> String {
        let root = BASE64.encode(self.root);
        signer.sign(&format!("{}\n{}\n{root}\n", self.origin, self.size))
    }

    /// Reads a note that `verifier` believes. Lines that extend the format are ignored.
    ///
    /// # Errors
    /// Why it is not to be believed or understood.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Checkpoint, CheckpointError> {
        let text = verifier.open(note)?;
        let mut lines = text.lines();
        let mut line = |what| lines.next().ok_or(CheckpointError::Form(what));
        let origin = line("the origin is missing")?;
        let size = line("the size is missing")?;
        let root = line("the root is missing")?;
        if origin != verifier.name() {
            let (found, expected) = (origin.to_owned(), verifier.name().to_owned());
            return Err(CheckpointError::Origin { found, expected });
        }
        let number: u64 = size.parse().map_err(|_| CheckpointError::Form("the size"))?;
        if number.to_string() != size {
            return Err(CheckpointError::Form("the size"));
        }
        let root = read_digest(root).ok_or(CheckpointError::Form("the root"))?;
        Ok(Checkpoint { origin: origin.to_owned(), size: number, root })
    }
}
