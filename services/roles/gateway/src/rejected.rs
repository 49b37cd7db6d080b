//! Rejections in the words of each way in: gRPC, messages, and the record of them.

use oi_journal::RequestError;
use oi_proto::v1;
use oi_view::now_ms;
use std::collections::HashMap;
use std::time::Duration;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A request cannot be read, or a field of it does not hold what it must.
pub const MALFORMED: &str = "malformed";
/// Too much waits already.
pub const BUSY: &str = "busy";
/// Far too much work is owed to add more.
pub const BACKLOG_FULL: &str = "backlog-full";
/// What a query is about is not there.
pub const NOT_FOUND: &str = "not-found";
/// A message is longer than any command.
pub const TOO_LARGE: &str = "too-large";
/// Whoever asks may not ask for this.
pub const FORBIDDEN: &str = "forbidden";
/// The id belongs to another command.
pub const ID_REUSED: &str = "command-id-reused";
/// The command was decided before.
pub const DUPLICATE: &str = "duplicate";
/// The command is stored, but nobody has decided it yet.
pub const UNDECIDED: &str = "undecided";
/// The broker is away.
pub const UNAVAILABLE: &str = "unavailable";

/// Messages quote what was sent, which may be anything; they travel in headers.
const LONGEST: usize = 1000;
const RETRY: Duration = Duration::from_secs(1);

/// Why a request was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// A stable word.
    pub code: String,
    /// For people.
    pub message: String,
    /// The field that is wrong, where that is the reason.
    pub field: Option<String>,
}

impl Rejected {
    /// A refusal that is not about one field.
    pub fn new(code: &str, message: impl Into<String>) -> Rejected {
        Rejected { code: code.to_owned(), message: message.into(), field: None }
    }

    /// What is needed to answer is away.
    pub fn unavailable(error: &dyn std::error::Error) -> Rejected {
        Rejected::new(UNAVAILABLE, oi_events::chain(error))
    }

    /// There is no decision: whether one may still come.
    pub fn undecided(error: &RequestError) -> Rejected {
        let code = match error {
            RequestError::Timeout { .. } => UNDECIDED,
            RequestError::Submit(_) | RequestError::Listen(_) => UNAVAILABLE,
        };
        Rejected::new(code, oi_events::chain(error))
    }

    /// A field does not hold what it must.
    pub fn field(field: &str, problem: impl std::fmt::Display) -> Rejected {
        Rejected {
            code: MALFORMED.to_owned(),
            message: format!("{field}: {problem}"),
            field: Some(field.to_owned()),
        }
    }

    /// What is said, no longer than fits.
    fn said(&self) -> String {
        match self.message.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &self.message[..end]),
            None => self.message.clone(),
        }
    }

    /// Whether the same request may well succeed a moment later.
    pub fn passes(&self) -> bool {
        [BUSY, BACKLOG_FULL, UNDECIDED, UNAVAILABLE].contains(&self.code.as_str())
    }

    /// The gRPC code that says most about it.
    fn grpc(&self) -> Code {
        match self.code.as_str() {
            ID_REUSED | "cluster-exists" | "node-exists" | "hypervisor-exists" => {
                Code::AlreadyExists
            }
            "backup-unknown" | "cluster-unknown" | "node-unknown" | "hypervisor-unknown"
            | "job-unknown" | "token-unknown" | NOT_FOUND => Code::NotFound,
            MALFORMED | "invalid" | "overlap" | "version-unsupported" | "hypervisor-invalid" => {
                Code::InvalidArgument
            }
            BUSY | BACKLOG_FULL | TOO_LARGE | "ports-exhausted" | "no-hypervisor" => {
                Code::ResourceExhausted
            }
            FORBIDDEN => Code::PermissionDenied,
            UNDECIDED => Code::DeadlineExceeded,
            UNAVAILABLE => Code::Unavailable,
            "position-moved" => Code::Aborted,
            _ => Code::FailedPrecondition,
        }
    }

    /// As it is recorded and told to producers.
    pub fn told(&self, command_id: &str, actor: &str, command: &str) -> v1::Rejection {
        let violation =
            |field: &String| v1::FieldViolation { field: field.clone(), description: self.said() };
        v1::Rejection {
            command_id: command_id.chars().take(LONGEST).collect(),
            actor: actor.chars().take(LONGEST).collect(),
            command: command.to_owned(),
            code: self.code.clone(),
            message: self.said(),
            fields: self.field.iter().map(violation).collect(),
            retry_after_ms: if self.passes() { RETRY.as_millis() as u64 } else { 0 },
            time_ms: now_ms(),
            ..v1::Rejection::default()
        }
    }
}

impl From<Rejected> for Status {
    fn from(refused: Rejected) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(refused.code.as_str(), "oi", HashMap::new());
        if let Some(field) = &refused.field {
            details.add_bad_request_violation(field, refused.said());
        }
        if refused.passes() {
            details.set_retry_info(Some(RETRY));
        }
        let mut status = Status::with_error_details(refused.grpc(), refused.said(), details);
        if let Ok(value) = MetadataValue::try_from(refused.code.as_str()) {
            status.metadata_mut().insert("oi-code", value);
        }
        status
    }
}
