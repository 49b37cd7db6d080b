//! Why a command found nothing out.

use crate::output::OutputError;
use oi_audit::{ArchiveError, AuditError, ExpressionError, MomentError};
use oi_events::CodecError;
use oi_inspect::RenderError;
use oi_journal::{ImportError, SetupError};
use oi_proof::{CheckpointError, KeyError};
use oi_proto::manifest::ManifestError;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Moment(#[from] MomentError),
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error(transparent)]
    Documents(#[from] ManifestError),
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error("the state has no hash")]
    Hash(#[source] CodecError),
    #[error("{path}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the key {0}")]
    Key(String, #[source] KeyError),
    #[error("the checkpoint {path}")]
    Checkpoint {
        path: PathBuf,
        #[source]
        source: CheckpointError,
    },
    #[error("no randomness for a key")]
    Random(#[source] getrandom::Error),
    #[error("{0} is there already: a key is not overwritten")]
    KeyThere(PathBuf),
    #[error("the log is not clean (see `oi-audit verify`): {0}")]
    NotClean(&'static str),
    #[error("the checkpoint attests {size} commits, and the log at hand has {end}")]
    TooShort { size: u64, end: u64 },
    #[error("{0} is not known: it never was, or not at that moment")]
    Unknown(String),
    #[error("this needs a broker, not an archive")]
    NeedsBroker,
    #[error("the server {0} does not answer")]
    Server(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("{path} cannot be run")]
    Program {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}, line {line}: this is no decision")]
    Decision {
        path: PathBuf,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} failed: {status}")]
    ProgramFailed { path: PathBuf, status: std::process::ExitStatus },
    #[error("the broker's log has {end} commits, more than the archive's {commits}")]
    NotEmpty { end: u64, commits: u64 },
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("position {0} is not in the log of that checkpoint")]
    NotThere(u64),
    #[error("--since and --until take a time, not a position")]
    NoTime,
}

impl Failure {
    /// For scripts: see the help of the command.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Output(OutputError::Io(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Failure::Expression(ExpressionError::State(_)) => 1,
            Failure::Audit(AuditError::Beyond { .. })
            | Failure::Moment(_)
            | Failure::Expression(_)
            | Failure::File { .. }
            | Failure::Key(..)
            | Failure::KeyThere(_)
            | Failure::Unknown(_)
            | Failure::NeedsBroker
            | Failure::Program { .. }
            | Failure::Decision { .. }
            | Failure::NotThere(_)
            | Failure::NoTime => 2,
            Failure::Archive(ArchiveError::NotOne(_) | ArchiveError::File { .. }) => 2,
            Failure::Audit(AuditError::Archive(e))
                if matches!(**e, ArchiveError::NotOne(_) | ArchiveError::File { .. }) =>
            {
                2
            }
            Failure::Audit(AuditError::Connect(_)) | Failure::Server(..) => 5,
            _ => 1,
        })
    }
}
