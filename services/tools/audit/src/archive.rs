//! A log in a file: exported from a broker, verified and replayed without one, and put
//! back onto an empty one.
//!
//! Layout: the line `oi-archive/1`, then one zstd stream of records, each a length (u32,
//! little endian) and that many bytes of postcard: [`Record::Begin`], the commits in
//! order, wrapped keys where they were asked for, and [`Record::End`]. What follows from
//! the other fields is left out: a commit's position, its message's sequence, and the hash
//! of the one before it.

use bytes::Bytes;
use oi_events::{Batched, ClusterUid, Hash};
use oi_journal::{MessageError, StoredCommit};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use zstd::stream::{read::Decoder, write::Encoder};

const MAGIC: &[u8] = b"oi-archive/1\n";
/// Much more than a broker's message can be.
const LONGEST: usize = 64 << 20;
const FEATURE_LEVEL: i32 = 3;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system refused.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{0} is not an archive of oi (its first line is not oi-archive/1)")]
    NotOne(PathBuf),
    /// It ends too early.
    #[error("the archive is cut off or damaged after position {after}")]
    CutOff {
        /// The last position that could be read.
        after: u64,
        /// What the reader met.
        #[source]
        source: io::Error,
    },
    /// A record is not one.
    #[error("the archive is damaged after position {after}")]
    Damaged {
        /// The last position that could be read.
        after: u64,
        /// What is wrong.
        #[source]
        source: oi_events::CodecError,
    },
    /// Its parts do not fit together.
    #[error("the archive says that it holds {said} commits, but it holds {held}")]
    Count {
        /// What it says.
        said: u64,
        /// What was found.
        held: u64,
    },
    /// A record cannot be written.
    #[error("position {position} cannot be archived")]
    Record {
        /// Where.
        position: u64,
        /// Why.
        #[source]
        source: MessageError,
    },
    /// A record is longer than a reader accepts.
    #[error("a record has {0} bytes: no more than {LONGEST} can be archived")]
    TooLong(usize),
    /// A record has no stored form.
    #[error("a record cannot be encoded")]
    Encode(#[from] oi_events::CodecError),
}

/// One record of an archive. Append only: the order is the layout.
#[derive(Serialize, Deserialize)]
enum Record<'a> {
    /// How many commits follow.
    Begin { commits: u64 },
    /// The next commit, in the next message.
    #[serde(borrow)]
    Commit(Batched<'a>),
    /// A wrapped data key.
    Key { uid: ClusterUid, wrapped: &'a [u8] },
    /// Nothing more follows.
    End,
    /// The next commit, in the same message as the one before it.
    #[serde(borrow)]
    Beside(Batched<'a>),
}

/// Writes an archive. It is there, whole, once [`finish`](Self::finish) returns.
pub struct ArchiveWriter {
    path: PathBuf,
    part: PathBuf,
    out: Encoder<'static, BufWriter<File>>,
    /// The message of the last commit.
    sequence: u64,
}

impl ArchiveWriter {
    /// Begins an archive of `commits` commits.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(path: &Path, commits: u64) -> Result<ArchiveWriter, ArchiveError> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = |source| ArchiveError::File { path: part.clone(), source };
        let mut out = BufWriter::new(File::create(&part).map_err(file)?);
        out.write_all(MAGIC).map_err(file)?;
        let mut out = Encoder::new(out, FEATURE_LEVEL).map_err(file)?;
        out.include_checksum(true).map_err(file)?;
        let mut writer = ArchiveWriter { path: path.to_owned(), part, out, sequence: 0 };
        writer.put(&Record::Begin { commits })?;
        Ok(writer)
    }

    fn put(&mut self, record: &Record<'_>) -> Result<(), ArchiveError> {
        let bytes = oi_events::to_bytes(record)?;
        let length = match u32::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= LONGEST => length.to_le_bytes(),
            Ok(_) | Err(_) => return Err(ArchiveError::TooLong(bytes.len())),
        };
        let written = self.out.write_all(&length).and_then(|()| self.out.write_all(&bytes));
        written.map_err(|source| ArchiveError::File { path: self.part.clone(), source })
    }

    /// Adds the next commit.
    ///
    /// # Errors
    /// Where it has no header, or the disk is full.
    pub fn commit(&mut self, stored: &StoredCommit) -> Result<(), ArchiveError> {
        let failed = |source| ArchiveError::Record { position: stored.position, source };
        let (header, hash) =
            (stored.header().map_err(failed)?, stored.claimed_hash().map_err(failed)?);
        let commit = Batched::new(&header, &stored.subject, hash, &stored.body);
        let beside = stored.sequence == self.sequence;
        self.sequence = stored.sequence;
        self.put(&if beside { Record::Beside(commit) } else { Record::Commit(commit) })
    }

    /// Adds a wrapped key, after the commits.
    ///
    /// # Errors
    /// Where the disk is full.
    pub fn key(&mut self, uid: ClusterUid, wrapped: &[u8]) -> Result<(), ArchiveError> {
        self.put(&Record::Key { uid, wrapped })
    }

    /// Leaves nothing of it.
    ///
    /// # Errors
    /// Where it cannot be removed. It has a name that nobody takes for an archive.
    pub fn discard(self) -> Result<(), ArchiveError> {
        std::fs::remove_file(&self.part)
            .map_err(|source| ArchiveError::File { path: self.part, source })
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it is not on the disk.
    pub fn finish(mut self) -> Result<(), ArchiveError> {
        self.put(&Record::End)?;
        let file = |source| ArchiveError::File { path: self.part.clone(), source };
        let out = self.out.finish().map_err(file)?;
        let out = out.into_inner().map_err(|e| file(e.into_error()))?;
        out.sync_all().map_err(file)?;
        std::fs::rename(&self.part, &self.path)
            .map_err(|source| ArchiveError::File { path: self.path.clone(), source })
    }
}

/// Reads an archive from its beginning.
pub struct ArchiveReader {
    input: Decoder<'static, BufReader<BufReader<File>>>,
    commits: u64,
    position: u64,
    sequence: u64,
    previous: Hash,
    buffer: Bytes,
    keys: Vec<(ClusterUid, Vec<u8>)>,
    /// Read ahead.
    next: Option<StoredCommit>,
    ended: bool,
}

impl ArchiveReader {
    /// Opens an archive.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn open(path: &Path) -> Result<ArchiveReader, ArchiveError> {
        let file = |source| ArchiveError::File { path: path.to_owned(), source };
        let mut input = BufReader::with_capacity(1 << 20, File::open(path).map_err(file)?);
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => {}
            Err(e) if e.kind() != io::ErrorKind::UnexpectedEof => return Err(file(e)),
            Ok(()) | Err(_) => return Err(ArchiveError::NotOne(path.to_owned())),
        }
        let input = Decoder::new(input).map_err(file)?;
        let mut reader = ArchiveReader {
            input,
            commits: 0,
            position: 0,
            sequence: 0,
            previous: Hash::ZERO,
            buffer: Bytes::new(),
            keys: Vec::new(),
            next: None,
            ended: false,
        };
        reader.fill()?;
        match reader.record()? {
            Record::Begin { commits } => reader.commits = commits,
            _ => return Err(ArchiveError::NotOne(path.to_owned())),
        }
        Ok(reader)
    }

    /// How many commits it says that it holds.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The wrapped keys; complete once all commits were read.
    pub fn keys(&self) -> &[(ClusterUid, Vec<u8>)] {
        &self.keys
    }

    /// Reads the next record's bytes.
    fn fill(&mut self) -> Result<(), ArchiveError> {
        let mut length = [0; 4];
        let mut read = self.input.read_exact(&mut length);
        if read.is_ok() {
            let length = u32::from_le_bytes(length) as usize;
            read = if length > LONGEST {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a record is too long"))
            } else {
                // Commits keep their part of it.
                let mut buffer = vec![0; length];
                let read = self.input.read_exact(&mut buffer);
                self.buffer = buffer.into();
                read
            };
        }
        read.map_err(|source| self.cut_off(source))
    }

    fn cut_off(&self, source: io::Error) -> ArchiveError {
        ArchiveError::CutOff { after: self.position, source }
    }

    fn record(&self) -> Result<Record<'_>, ArchiveError> {
        oi_events::from_bytes_strict(&self.buffer)
            .map_err(|source| ArchiveError::Damaged { after: self.position, source })
    }

    /// The next commit; none at the end.
    ///
    /// # Errors
    /// Where the archive is cut off or damaged.
    pub fn next_stored(&mut self) -> Result<Option<StoredCommit>, ArchiveError> {
        if let Some(next) = self.next.take() {
            return Ok(Some(next));
        }
        while !self.ended {
            self.fill()?;
            let (mut key, mut stored) = (None, None);
            match self.record()? {
                Record::Commit(commit) => stored = Some(self.stored(&commit, self.sequence + 1)),
                Record::Beside(commit) => stored = Some(self.stored(&commit, self.sequence)),
                Record::Key { uid, wrapped } => key = Some((uid, wrapped.to_vec())),
                Record::Begin { .. } => {}
                Record::End => self.ended = true,
            }
            self.keys.extend(key);
            if let Some((stored, hash)) = stored {
                (self.position, self.sequence) = (stored.position, stored.sequence);
                self.previous = hash;
                return Ok(Some(stored));
            }
        }
        // The end of the stream carries a checksum over all of it; nothing may follow.
        match self.input.read(&mut [0]) {
            Ok(0) => {}
            Ok(_) => return Err(self.cut_off(io::ErrorKind::InvalidData.into())),
            Err(source) => return Err(self.cut_off(source)),
        }
        let (said, held) = (self.commits, self.position);
        if said == held { Ok(None) } else { Err(ArchiveError::Count { said, held }) }
    }

    fn stored(&self, commit: &Batched<'_>, sequence: u64) -> (StoredCommit, Hash) {
        let (subject, body) = (commit.subject.to_owned(), self.buffer.slice_ref(commit.body));
        let (position, header) = (self.position + 1, commit.header(self.previous));
        let stored = StoredCommit::kept(position, subject, header, commit.hash, body);
        (stored.within(sequence), commit.hash)
    }

    /// The next commits, at least `count` of them where there are as many, and no message
    /// in parts; none at the end.
    ///
    /// # Errors
    /// As [`next_stored`](Self::next_stored).
    pub fn next_batch(&mut self, count: usize) -> Result<Vec<StoredCommit>, ArchiveError> {
        let mut batch: Vec<StoredCommit> = Vec::with_capacity(count);
        while let Some(next) = self.next_stored()? {
            let begins = batch.last().is_none_or(|last| last.sequence != next.sequence);
            if begins && batch.len() >= count {
                self.next = Some(next);
                break;
            }
            batch.push(next);
        }
        Ok(batch)
    }
}
