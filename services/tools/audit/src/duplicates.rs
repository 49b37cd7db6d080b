//! Commands that were decided twice, found in little memory: sorted runs of ids go to an
//! unnamed temporary file and are merged at the end.

use oi_events::CommandId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use uuid::Uuid;

/// How many ids are kept in memory.
const RUN: usize = 65_536;
/// An id and its position.
const RECORD: usize = 24;
/// How many records of a run are read at once.
const BUFFER: usize = 512;

/// Takes ids with their positions, and reports those that appear twice.
#[derive(Debug, Default)]
pub struct Duplicates {
    recent: BTreeMap<CommandId, u64>,
    file: Option<File>,
    /// Where each run begins in the file, and how many records it has.
    runs: Vec<(u64, u64)>,
}

fn record(id: CommandId, position: u64) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    bytes[..16].copy_from_slice(id.0.as_bytes());
    bytes[16..].copy_from_slice(&position.to_be_bytes());
    bytes
}

impl Duplicates {
    /// Takes the next id. Returns its first position if it appeared lately; ids that appeared
    /// longer ago are reported by [`finish`](Self::finish).
    ///
    /// # Errors
    /// When there is no room for temporary files.
    pub fn take(&mut self, id: CommandId, position: u64) -> io::Result<Option<u64>> {
        if let Some(first) = self.recent.get(&id) {
            return Ok(Some(*first));
        }
        self.recent.insert(id, position);
        if self.recent.len() >= RUN {
            self.flush()?;
        }
        Ok(None)
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        let begin = self.runs.last().map_or(0, |(at, count)| at + count * RECORD as u64);
        let mut bytes = Vec::with_capacity(self.recent.len() * RECORD);
        self.recent.iter().for_each(|(id, position)| bytes.extend(record(*id, *position)));
        file.write_all(&bytes)?;
        self.runs.push((begin, self.recent.len() as u64));
        self.recent.clear();
        Ok(())
    }

    /// The positions of repeated ids that were not reported yet, each with the id's first
    /// position.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn finish(&mut self) -> io::Result<Vec<(u64, u64)>> {
        if self.runs.is_empty() {
            return Ok(Vec::new());
        }
        self.flush()?;
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let mut readers: Vec<Reader> = self
            .runs
            .iter()
            .map(|(at, left)| Reader { at: *at, left: *left, ahead: Vec::new() })
            .collect();
        let mut heap = BinaryHeap::new();
        for (run, reader) in readers.iter_mut().enumerate() {
            heap.extend(reader.next(file)?.map(|next| Reverse((next, run))));
        }
        let (mut found, mut last) = (Vec::new(), None);
        while let Some(Reverse(((id, position), run))) = heap.pop() {
            heap.extend(readers[run].next(file)?.map(|next| Reverse((next, run))));
            match last {
                Some((same, first)) if same == id => found.push((position, first)),
                _ => last = Some((id, position)),
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// Reads a run from its smallest id on.
struct Reader {
    at: u64,
    left: u64,
    /// The largest first.
    ahead: Vec<(Uuid, u64)>,
}

impl Reader {
    fn next(&mut self, file: &File) -> io::Result<Option<(Uuid, u64)>> {
        if self.ahead.is_empty() && self.left > 0 {
            let count = self.left.min(BUFFER as u64);
            let mut bytes = vec![0; count as usize * RECORD];
            file.read_exact_at(&mut bytes, self.at)?;
            self.at += bytes.len() as u64;
            self.left -= count;
            let one = |bytes: &[u8]| {
                let (mut id, mut position) = ([0; 16], [0; 8]);
                id.copy_from_slice(&bytes[..16]);
                position.copy_from_slice(&bytes[16..]);
                (Uuid::from_bytes(id), u64::from_be_bytes(position))
            };
            self.ahead = bytes.chunks_exact(RECORD).rev().map(one).collect();
        }
        Ok(self.ahead.pop())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(n: u64) -> CommandId {
        // Scattered, as random ids are.
        CommandId(Uuid::from_u128(
            u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        ))
    }

    #[test]
    fn what_comes_twice_is_named_once_however_long_ago_it_was() {
        let mut duplicates = Duplicates::default();
        let mut at_once = Vec::new();
        for position in 1..=200_000_u64 {
            let n = match position {
                150 => 149,
                199_999 => 3,
                200_000 => 140_000,
                n => n,
            };
            at_once
                .extend(duplicates.take(id(n), position).unwrap().map(|first| (position, first)));
        }
        assert_eq!(at_once, [(150, 149)]);
        assert_eq!(duplicates.finish().unwrap(), [(199_999, 3), (200_000, 140_000)]);
    }

    #[test]
    fn a_short_log_needs_no_file() {
        let mut duplicates = Duplicates::default();
        assert_eq!(duplicates.take(id(1), 1).unwrap(), None);
        assert_eq!(duplicates.take(id(1), 2).unwrap(), Some(1));
        assert!(duplicates.finish().unwrap().is_empty() && duplicates.file.is_none());
    }
}
