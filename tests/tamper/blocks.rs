//! The files in which nats-server 2.15 keeps a stream's messages, for reading and writing
//! while it is stopped. Each record: total length (u32, the highest bit says that there
//! are headers), sequence (u64), time (i64), length of the subject (u16), subject, length
//! of the headers (u32, where there are any), headers, payload, and a HighwayHash-64 of
//! all but the lengths under a key that is made of the stream's and the block's names.
//! All numbers are little endian.

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const HEADERS: u32 = 1 << 31;
/// Marks an erased message, or a note about one.
const ERASED: u64 = 3 << 62;

/// One message.
#[derive(Clone)]
pub struct Record {
    pub sequence: u64,
    pub time: i64,
    pub subject: String,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
}

fn hasher(stream: &str, block: u32) -> HighwayHasher {
    let key = Sha256::digest(format!("{stream}-{block}"));
    let word = |n: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&key[n * 8..n * 8 + 8]);
        u64::from_le_bytes(bytes)
    };
    HighwayHasher::new(Key([word(0), word(1), word(2), word(3)]))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or_else(|| bad("a record is cut off"))?;
    *bytes = rest;
    Ok(taken)
}

fn number(bytes: &mut &[u8], size: usize) -> io::Result<u64> {
    let mut all = [0; 8];
    all[..size].copy_from_slice(take(bytes, size)?);
    Ok(u64::from_le_bytes(all))
}

fn small(bytes: &mut &[u8], size: usize) -> io::Result<usize> {
    usize::try_from(number(bytes, size)?).map_err(|_| bad("a length is too large"))
}

fn read_record(bytes: &mut &[u8]) -> io::Result<Option<Record>> {
    let mut head = *bytes;
    let length = u32::try_from(number(&mut head, 4)?).unwrap_or_default();
    let mut record = take(bytes, (length & !HEADERS) as usize)?;
    take(&mut record, 4)?;
    let sequence = number(&mut record, 8)?;
    let time = i64::from_le_bytes(number(&mut record, 8)?.to_le_bytes());
    let subject = small(&mut record, 2)?;
    let subject = String::from_utf8_lossy(take(&mut record, subject)?).into_owned();
    let headers = if length & HEADERS == 0 { 0 } else { small(&mut record, 4)? };
    let headers = take(&mut record, headers)?.to_vec();
    let payload = record.len().checked_sub(8).ok_or_else(|| bad("a record is too short"))?;
    let payload = take(&mut record, payload)?.to_vec();
    let message = Record { sequence, time, subject, headers, payload };
    Ok((sequence & ERASED == 0).then_some(message))
}

fn write_record(out: &mut Vec<u8>, stream: &str, block: u32, record: &Record) {
    let mut hashed = record.sequence.to_le_bytes().to_vec();
    hashed.extend(record.time.to_le_bytes());
    hashed.extend(record.subject.as_bytes());
    let mut rest = record.subject.as_bytes().to_vec();
    if !record.headers.is_empty() {
        rest.extend(u32::try_from(record.headers.len()).unwrap_or_default().to_le_bytes());
        rest.extend(&record.headers);
    }
    rest.extend(&record.payload);
    hashed.extend(&record.headers);
    hashed.extend(&record.payload);
    let length = u32::try_from(22 + rest.len() + 8).unwrap_or_default();
    let flag = if record.headers.is_empty() { 0 } else { HEADERS };
    out.extend((length | flag).to_le_bytes());
    out.extend(record.sequence.to_le_bytes());
    out.extend(record.time.to_le_bytes());
    out.extend(u16::try_from(record.subject.len()).unwrap_or_default().to_le_bytes());
    out.extend(rest);
    out.extend(hasher(stream, block).hash64(&hashed).to_le_bytes());
}

/// A stream's files.
pub struct Blocks {
    dir: PathBuf,
    stream: String,
    /// The numbers of the blocks, and how many messages each has.
    blocks: Vec<(u32, usize)>,
}

fn find(dir: &Path, stream: &str) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.ends_with(format!("streams/{stream}")) {
                return Ok(Some(path.join("msgs")));
            }
            if let Some(found) = find(&path, stream)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

impl Blocks {
    /// Reads a stream's messages from the directory in which a broker stores all.
    pub fn read(store: &Path, stream: &str) -> io::Result<(Blocks, Vec<Record>)> {
        let dir = find(store, stream)?.ok_or_else(|| bad("there is no such stream"))?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            numbers.extend(name.strip_suffix(".blk").and_then(|n| n.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        let (mut records, mut blocks) = (Vec::new(), Vec::new());
        for block in numbers {
            let bytes = fs::read(dir.join(format!("{block}.blk")))?;
            let (mut rest, before) = (bytes.as_slice(), records.len());
            while !rest.is_empty() {
                records.extend(read_record(&mut rest)?);
            }
            blocks.push((block, records.len() - before));
        }
        Ok((Blocks { dir, stream: stream.to_owned(), blocks }, records))
    }

    /// Writes them back: as many to each block as it had, the rest to the last one. What
    /// the broker knew of them beside is removed, so that it believes the files.
    pub fn write(&self, records: &[Record]) -> io::Result<()> {
        let mut records = records.iter();
        for (n, (block, count)) in self.blocks.iter().enumerate() {
            let count = if n + 1 == self.blocks.len() { usize::MAX } else { *count };
            let mut bytes = Vec::new();
            for record in records.by_ref().take(count) {
                write_record(&mut bytes, &self.stream, *block, record);
            }
            fs::write(self.dir.join(format!("{block}.blk")), bytes)?;
        }
        match fs::remove_file(self.dir.join("index.db")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}
