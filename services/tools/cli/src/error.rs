//! What goes wrong, and the exit code that tells scripts.

use oi_node_join::JoinError;
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
        "oi-server at {server} does not answer: is it running? (--server or OI_SERVER names it): {cause}"
    )]
    Unreachable {
        /// Where.
        server: String,
        /// The innermost cause.
        cause: String,
    },
    /// It is there, but what it needs is not.
    #[error("oi-server at {server} cannot do it now: {cause}")]
    Unavailable {
        /// Where.
        server: String,
        /// In its own words.
        cause: String,
    },
    /// The rules refuse it.
    #[error("refused ({code}): {message}")]
    Rejected {
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
    /// This machine does not become a worker node, or does not end to be one.
    #[error(transparent)]
    Join(#[from] oi_node_join::JoinError),
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
            Failure::Rejected { .. } => 3,
            Failure::NotFound(_) => 4,
            Failure::Unreachable { .. } | Failure::Unavailable { .. } => 5,
            Failure::TimedOut(_) => 6,
            Failure::Call(status) => match status.code() {
                Code::InvalidArgument => 2,
                Code::NotFound => 4,
                Code::DeadlineExceeded => 6,
                _ => 1,
            },
            Failure::Join(error) => match error {
                JoinError::Invalid { .. } => 2,
                JoinError::AnotherNode(_)
                | JoinError::Token
                | JoinError::Ca { .. }
                | JoinError::NameTaken(_)
                | JoinError::NotForWorkers
                | JoinError::Undrained(..) => 3,
                JoinError::NotReady { .. } => 6,
                JoinError::Kube(oi_node_join::KubeError::Call { .. }) => 5,
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

/// The innermost cause of a failed call, if it never reached a server.
pub fn transport_cause(status: &Status) -> Option<String> {
    let mut cause = std::error::Error::source(status)?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Some(cause.to_string())
}
