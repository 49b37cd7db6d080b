//! What goes wrong, and the exit code that scripts see.

use oi_events::{Code, CodeClass};
use oi_node_join::{JoinError, KubeError};
use oi_output::OutputError;
use oi_proto::manifest::ManifestError;
use oi_proto::v1;
use std::path::Path;
use std::process::ExitCode;
use tonic::Status;

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
    /// TLS has no connection with it.
    #[error("no TLS with oi-server at {server}: {advice}")]
    Refused {
        /// Where.
        server: String,
        /// Why, and what to do.
        advice: &'static str,
        /// In the words of TLS.
        #[source]
        source: Box<rustls::Error>,
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
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
    /// What a manifest declares exists in another form.
    #[error("refused (differs): {0}")]
    Differs(String),
    /// The call failed.
    #[error("{}", .0.message())]
    Call(Box<Status>),
    /// Something that is not there.
    #[error("{0}")]
    NotFound(String),
    /// Wrong input.
    #[error("{0}")]
    Input(String),
    /// Bytes that are no text.
    #[error("{what} cannot be read")]
    Text {
        /// Which file.
        what: String,
        /// Why.
        #[source]
        source: oi_yaml::TextError,
    },
    /// Wrong manifests.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// This machine does not become a worker node, or does not end to be one.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A name, version or range that cannot be.
    #[error(transparent)]
    Name(#[from] oi_events::IdError),
    /// Files and programs.
    #[error("{what}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Stdout.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// It was waited for, and did not come to be.
    #[error("{0}")]
    NotDone(String),
}

impl Failure {
    /// Refuses what the rules would refuse.
    ///
    /// # Errors
    /// Why they would.
    pub fn of_plan(plan: v1::PlanResponse) -> Result<v1::PlanResponse, Failure> {
        if plan.refused.is_empty() {
            return Ok(plan);
        }
        let code = Code::from(plan.refused.as_str());
        Err(Failure::Rejected { code, message: plan.message })
    }

    /// What an answer of the server means.
    pub fn of(status: Status, server: &str) -> Failure {
        let message = status.message().to_owned();
        if let Some(code) = code(&status) {
            return match (code, code.class()) {
                // The rules were not asked.
                (Code::Malformed, _) => Failure::Input(message),
                (Code::NotFound, _) => Failure::NotFound(message),
                (_, CodeClass::Undecided) => Failure::TimedOut(message),
                (_, CodeClass::Unavailable) => {
                    Failure::Unavailable { server: server.to_owned(), cause: message }
                }
                _ => Failure::Rejected { code, message },
            };
        }
        match (status.code(), transport_cause(&status)) {
            (tonic::Code::Unavailable, Some(cause)) => {
                Failure::Unreachable { server: server.to_owned(), cause }
            }
            (tonic::Code::Unavailable, None) => {
                Failure::Unavailable { server: server.to_owned(), cause: message }
            }
            (tonic::Code::NotFound, _) => Failure::NotFound(message),
            _ => Failure::Call(Box::new(status)),
        }
    }

    /// A file that cannot be read.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + use<> {
        let what = path.display().to_string();
        move |source| Failure::Io { what, source }
    }

    /// 1 failed, 2 wrong input, 3 refused by the rules, 4 not there, 5 no server,
    /// 6 took too long.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            _ if self.is_broken_pipe() => 0,
            Failure::Server(_)
            | Failure::Input(_)
            | Failure::Text { .. }
            | Failure::Manifest(_)
            | Failure::Name(_) => 2,
            Failure::Rejected { .. } | Failure::Differs(_) => 3,
            Failure::NotFound(_) => 4,
            Failure::Unreachable { .. } | Failure::Refused { .. } | Failure::Unavailable { .. } => {
                5
            }
            Failure::TimedOut(_) => 6,
            Failure::Call(status) => match status.code() {
                tonic::Code::InvalidArgument => 2,
                tonic::Code::DeadlineExceeded => 6,
                _ => 1,
            },
            Failure::Join(error) => join_exit_code(error),
            Failure::Io { .. } | Failure::Output(_) | Failure::NotDone(_) => 1,
        })
    }

    /// Whether the reader of stdout has read enough.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.is_broken_pipe())
    }
}

fn join_exit_code(error: &JoinError) -> u8 {
    match error {
        JoinError::Invalid { .. } => 2,
        JoinError::AnotherNode(_)
        | JoinError::Token
        | JoinError::Ca { .. }
        | JoinError::NameTaken(_)
        | JoinError::NotForWorkers
        | JoinError::Undrained(..) => 3,
        JoinError::NotReady { .. } => 6,
        JoinError::Kube(KubeError::Call { .. }) => 5,
        _ => 1,
    }
}

/// The stable code of a rejection.
fn code(status: &Status) -> Option<Code> {
    let Ok(word) = status.metadata().get("oi-code")?.to_str() else { return None };
    Some(Code::from(word))
}

/// Whether the same call may well succeed a moment later.
pub fn is_passing(status: &Status) -> bool {
    code(status).is_some_and(Code::is_passing)
        || is_lost(status)
        || matches!(
            status.code(),
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled
        )
}

/// Whether a call failed on its way.
pub fn is_lost(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::Unknown | tonic::Code::Unavailable)
        && transport_cause(status).is_some()
}

/// The innermost cause of a failed call, if it never reached a server.
fn transport_cause(status: &Status) -> Option<String> {
    let mut cause = std::error::Error::source(status)?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server answers with a code, as the CLI ends.
    fn ends(grpc: tonic::Code, code: Option<&'static str>) -> String {
        let mut status = Status::new(grpc, "why");
        if let Some(code) = code {
            let code = tonic::metadata::MetadataValue::from_static(code);
            status.metadata_mut().insert("oi-code", code);
        }
        let passing = is_passing(&status);
        let failure = Failure::of(status, "here");
        let exit = [0, 1, 2, 3, 4, 5, 6]
            .into_iter()
            .find(|n| format!("{:?}", ExitCode::from(*n)) == format!("{:?}", failure.exit_code()));
        format!("{} {passing} {failure}", exit.unwrap_or(99))
    }

    #[test]
    fn the_exit_code_follows_from_the_code() {
        use tonic::Code::*;
        for (grpc, code, want) in [
            (InvalidArgument, Some("malformed"), "2 false why"),
            (InvalidArgument, Some("overlap"), "3 false refused (overlap): why"),
            (NotFound, Some("not-found"), "4 false why"),
            (NotFound, Some("cluster-unknown"), "3 false refused (cluster-unknown): why"),
            (AlreadyExists, Some("node-exists"), "3 false refused (node-exists): why"),
            (DeadlineExceeded, Some("undecided"), "6 true why"),
            (Unavailable, Some("unavailable"), "5 true oi-server at here cannot do it now: why"),
            (ResourceExhausted, Some("busy"), "3 true refused (busy): why"),
            (Internal, None, "1 false why"),
            (InvalidArgument, None, "2 false why"),
            (NotFound, None, "4 false why"),
        ] {
            assert_eq!(ends(grpc, code), want);
        }
    }
}
