//! One decision as it is stored: a header in the clear and a body of frames.
//!
//! Body: for each record `length u32 | kind u16 | version u16 | flags u16`, all
//! little endian, then `length` postcard bytes. The first frame is the command
//! as it was asked, the others are the events that it caused. A reader can step
//! over a frame without decoding it.

use crate::codec::CodecError;
use crate::command::Command;
use crate::event::Event;
use crate::hash::Hash;
use crate::ids::CommandId;
use crate::record::RecordError;

/// The version of this layout, in the header `Oi-Format`.
pub const FORMAT: u16 = 1;

/// A reader that does not know the frame's kind must stop.
const CRITICAL: u16 = 1;
const HEAD: usize = 10;

/// A commit that is not one.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Cut off within a frame.
    #[error("the body ends within frame {0}")]
    Truncated(usize),
    /// There is no first frame.
    #[error("the body has no command frame")]
    Empty,
    /// A frame's record is unknown or broken.
    #[error("frame {frame}")]
    Record {
        /// Which frame, from 0.
        frame: usize,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A record has no stored form.
    #[error("cannot encode a record")]
    Encode(#[from] CodecError),
    /// Not a layout that this release reads.
    #[error("commit format {0} is unknown to this release: upgrade before reading this log")]
    Format(u16),
}

/// One record within a body, undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Kind number.
    pub kind: u16,
    /// Layout version.
    pub version: u16,
    /// Whether a reader that does not know the kind must stop.
    pub critical: bool,
    /// The postcard bytes.
    pub bytes: &'a [u8],
}

/// Splits a body into frames without decoding them.
///
/// # Errors
/// [`CommitError::Truncated`].
pub fn read_frames(mut body: &[u8]) -> Result<Vec<Frame<'_>>, CommitError> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let cut = || CommitError::Truncated(frames.len());
        let (head, rest) = body.split_first_chunk::<HEAD>().ok_or_else(cut)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if rest.len() < length {
            return Err(cut());
        }
        let (bytes, next) = rest.split_at(length);
        frames.push(Frame {
            kind: u16::from_le_bytes([head[4], head[5]]),
            version: u16::from_le_bytes([head[6], head[7]]),
            critical: u16::from_le_bytes([head[8], head[9]]) & CRITICAL != 0,
            bytes,
        });
        body = next;
    }
    Ok(frames)
}

fn push_frame(body: &mut Vec<u8>, kind: crate::RecordKind, bytes: &[u8]) {
    body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    body.extend_from_slice(&kind.kind.to_le_bytes());
    body.extend_from_slice(&kind.version.to_le_bytes());
    body.extend_from_slice(&CRITICAL.to_le_bytes());
    body.extend_from_slice(bytes);
}

/// What stands in the clear beside the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitHeader {
    /// The command that was decided; also the message id of the append.
    pub command_id: CommandId,
    /// The first command of the chain that this one belongs to.
    pub correlation: CommandId,
    /// Who asked.
    pub actor: String,
    /// When it was decided, Unix milliseconds, by the decider's clock.
    pub time_ms: u64,
    /// The hash of the commit before, [`Hash::ZERO`] for the first.
    pub previous: Hash,
}

/// One decision: the command as asked and the events it caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// What stands in the clear.
    pub header: CommitHeader,
    /// What was asked.
    pub command: Command,
    /// What happened.
    pub events: Vec<Event>,
}

impl Commit {
    /// The body's bytes.
    ///
    /// # Errors
    /// Where a record has no stored form.
    pub fn encode_body(&self) -> Result<Vec<u8>, CommitError> {
        let mut body = Vec::new();
        push_frame(&mut body, self.command.kind(), &self.command.encode()?);
        for event in &self.events {
            push_frame(&mut body, event.kind(), &event.encode()?);
        }
        Ok(body)
    }

    /// Reads a body back. An event of an unknown kind that its writer did not
    /// mark critical is stepped over.
    ///
    /// # Errors
    /// Names the frame that is cut off, unknown or broken.
    pub fn decode(header: CommitHeader, body: &[u8]) -> Result<Commit, CommitError> {
        let mut frames = read_frames(body)?.into_iter().enumerate();
        let at = |frame| move |source| CommitError::Record { frame, source };
        let (_, first) = frames.next().ok_or(CommitError::Empty)?;
        let command = Command::decode(first.kind, first.version, first.bytes).map_err(at(0))?;
        let mut events = Vec::with_capacity(frames.len());
        for (i, frame) in frames {
            match Event::decode(frame.kind, frame.version, frame.bytes) {
                Ok(event) => events.push(event),
                Err(RecordError::Unknown { .. }) if !frame.critical => {}
                Err(source) => return Err(at(i)(source)),
            }
        }
        Ok(Commit { header, command, events })
    }
}

/// A commit with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCommit {
    /// The position: the stream sequence.
    pub position: u64,
    /// The commit.
    pub commit: Commit,
    /// The hash over the commit as stored, which the next one names.
    pub hash: Hash,
}

impl CommitHeader {
    /// The hash of a commit as stored: over the layout, the subject, the header
    /// fields and the body's bytes, never over re-encoded ones (postcard is not
    /// canonical on input).
    pub fn hash(&self, subject: &str, body: &[u8]) -> Hash {
        Hash::of(&[
            b"oi/commit/v1",
            subject.as_bytes(),
            self.command_id.0.as_bytes(),
            self.correlation.0.as_bytes(),
            self.actor.as_bytes(),
            &self.time_ms.to_le_bytes(),
            &self.previous.0,
            body,
        ])
    }
}
