//! What goes wrong, and the exit code that tells scripts.

use oi_proto::manifest::ManifestError;
use std::process::ExitCode;
use tonic::{Code, Status};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server's address.
    #[error("--server {0:?} is malformed: write http://host:port")]
    Server(String),
    /// Nobody there.
    #[error(
        "oi-server at {server} does not answer: is it running? (--server or OI_SERVER names it)"
    )]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        #[source]
        source: Box<Status>,
    },
    /// The rules refuse it.
    #[error("refused ({code}): {message}")]
    Refused {
        /// A stable word.
        code: String,
        /// For people.
        message: String,
    },
    /// The call failed.
    #[error("{}", .0.message())]
    Call(Box<Status>),
    /// Something that is not there.
    #[error("{0}")]
    NotFound(String),
    /// Wrong input.
    #[error("{0}")]
    Input(String),
    /// Wrong documents.
    #[error(transparent)]
    Documents(#[from] ManifestError),
    /// A name, version or range that cannot be.
    #[error(transparent)]
    Name(#[from] oi_events::IdError),
    /// Input and output.
    #[error("{what}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Output.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
    /// Output.
    #[error("cannot write YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
}

impl Failure {
    /// 1 failed, 2 wrong input, 3 refused by the rules, 4 not there, 5 no server,
    /// 6 took too long.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            _ if self.is_broken_pipe() => 0,
            Failure::Server(_) | Failure::Input(_) | Failure::Documents(_) | Failure::Name(_) => 2,
            Failure::Refused { .. } => 3,
            Failure::NotFound(_) => 4,
            Failure::Unreachable { .. } => 5,
            Failure::TimedOut(_) => 6,
            Failure::Call(status) => match status.code() {
                Code::InvalidArgument => 2,
                Code::NotFound => 4,
                Code::DeadlineExceeded => 6,
                _ => 1,
            },
            _ => 1,
        })
    }

    /// Whoever read our output has read enough.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Io { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
