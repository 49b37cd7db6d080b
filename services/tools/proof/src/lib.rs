//! Proofs about a log that need nothing of it: an RFC 6962 Merkle tree over its entries,
//! its head signed as a C2SP checkpoint, and proofs that an entry is in it or that it
//! only grew. Pure: no I/O, no clock, no randomness.
//!
//! - [`Tree`] takes the entries one by one, in memory that grows with their logarithm;
//! - [`Prover`] collects the hashes of a proof while the entries pass by;
//! - [`inclusion_root`] and [`consistency_roots`] say what a proof amounts to;
//! - [`Signer`] and [`Verifier`] sign and open notes ([`Checkpoint`] is the text of one);
//! - [`InclusionProof`] and [`ConsistencyProof`] are the files that are handed around.

mod checkpoint;
mod files;
mod note;
mod prove;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use files::{ConsistencyProof, FileError, InclusionProof};
pub use note::{KeyError, NoteError, Signer, Verifier};
pub use prove::{Prover, consistency_roots, inclusion_root};
pub use tree::{Digest, Tree, leaf_hash};
