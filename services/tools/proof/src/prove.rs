//! Proofs of inclusion and consistency (RFC 6962, sections 2.1.1 and 2.1.2).

use crate::tree::{Digest, Tree, node_hash};
use std::ops::Range;

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The subtrees, as ranges of entries, whose roots lead from an entry to the root.
fn inclusion_ranges(index: u64, of: Range<u64>, path: &mut Vec<Range<u64>>) {
    let size = of.end - of.start;
    if size <= 1 {
        return;
    }
    let middle = of.start + split(size);
    if index < middle {
        inclusion_ranges(index, of.start..middle, path);
        path.push(middle..of.end);
    } else {
        inclusion_ranges(index, middle..of.end, path);
        path.push(of.start..middle);
    }
}

/// The subtrees whose roots lead from the first `old` entries to all. `whole` says that
/// the root over the old ones is known to whoever checks.
fn consistency_ranges(old: u64, of: Range<u64>, whole: bool, path: &mut Vec<Range<u64>>) {
    let size = of.end - of.start;
    if old == size {
        if !whole {
            path.push(of);
        }
        return;
    }
    let left = split(size);
    let middle = of.start + left;
    if old <= left {
        consistency_ranges(old, of.start..middle, whole, path);
        path.push(middle..of.end);
    } else {
        consistency_ranges(old - left, middle..of.end, false, path);
        path.push(of.start..middle);
    }
}

/// Collects a proof's hashes while all entries of a tree pass by, in order.
#[derive(Debug, Clone)]
pub struct Prover {
    parts: Vec<(Range<u64>, Tree)>,
    next: u64,
}

impl Prover {
    fn new(ranges: Vec<Range<u64>>) -> Prover {
        let parts = ranges.into_iter().map(|range| (range, Tree::default())).collect();
        Prover { parts, next: 0 }
    }

    /// For the proof that entry `index` (from 0) is in the tree of the first `size`; none
    /// where it cannot be.
    pub fn inclusion(index: u64, size: u64) -> Option<Prover> {
        (index < size).then(|| {
            let mut path = Vec::new();
            inclusion_ranges(index, 0..size, &mut path);
            Prover::new(path)
        })
    }

    /// For the proof that the tree of the first `old` entries became that of the first
    /// `new`; none where it did not grow or was empty: there is nothing to prove then.
    pub fn consistency(old: u64, new: u64) -> Option<Prover> {
        (0 < old && old <= new).then(|| {
            let mut path = Vec::new();
            consistency_ranges(old, 0..new, true, &mut path);
            Prover::new(path)
        })
    }

    /// Takes the next entry by its leaf hash.
    pub fn push(&mut self, leaf: Digest) {
        let next = self.next;
        if let Some((_, tree)) = self.parts.iter_mut().find(|(range, _)| range.contains(&next)) {
            tree.push(leaf);
        }
        self.next += 1;
    }

    /// The proof's hashes; none where entries are still missing.
    pub fn finish(self) -> Option<Vec<Digest>> {
        let complete = |(range, tree): (Range<u64>, Tree)| {
            (tree.size() == range.end - range.start).then(|| tree.root())
        };
        self.parts.into_iter().map(complete).collect()
    }
}

/// The root to which a proof leads from the entry at `index` (from 0) of `size`; none
/// where the proof has not the right length.
pub fn inclusion_root(index: u64, size: u64, leaf: Digest, proof: &[Digest]) -> Option<Digest> {
    if size <= 1 {
        return (index == 0 && size == 1 && proof.is_empty()).then_some(leaf);
    }
    let (last, rest) = proof.split_last()?;
    let left = split(size);
    if index < left {
        Some(node_hash(&inclusion_root(index, left, leaf, rest)?, last))
    } else {
        Some(node_hash(last, &inclusion_root(index - left, size - left, leaf, rest)?))
    }
}

/// The roots over the first `old` and the first `new` entries to which a proof leads,
/// where `old_root` is believed for as much as it says; none where the proof has not the
/// right length. Both must be compared with the roots that are known.
pub fn consistency_roots(
    old: u64,
    new: u64,
    old_root: Digest,
    proof: &[Digest],
) -> Option<(Digest, Digest)> {
    if old == 0 || old > new {
        return None;
    }
    roots(old, new, Some(old_root), proof)
}

fn roots(old: u64, new: u64, known: Option<Digest>, proof: &[Digest]) -> Option<(Digest, Digest)> {
    if old == new {
        let root = match (known, proof) {
            (Some(root), []) => root,
            (None, [root]) => *root,
            _ => return None,
        };
        return Some((root, root));
    }
    let (last, rest) = proof.split_last()?;
    let left = split(new);
    if old <= left {
        let (before, after) = roots(old, left, known, rest)?;
        Some((before, node_hash(&after, last)))
    } else {
        let (before, after) = roots(old - left, new - left, None, rest)?;
        Some((node_hash(last, &before), node_hash(last, &after)))
    }
}
