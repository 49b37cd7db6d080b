//! Rejections in the words of each way in: gRPC, messages, and the record of them.

use oi_clock::now_ms;
use oi_events::{Code, CodeClass};
use oi_journal::RequestError;
use oi_proto::v1;
use std::collections::HashMap;
use std::time::Duration;
use tonic::Status;
use tonic::metadata::MetadataValue;
use tonic_types::{ErrorDetails, StatusExt};

/// Messages quote what was sent, which may be anything; they travel in headers.
const LONGEST: usize = 1000;
const RETRY: Duration = Duration::from_secs(1);

/// Why a request was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What programs go by.
    pub code: Code,
    /// For people.
    pub message: String,
    /// The field that is wrong, where that is the reason.
    pub field: Option<String>,
}

impl Rejected {
    /// A rejection that is not about one field.
    pub fn new(code: Code, message: impl Into<String>) -> Rejected {
        Rejected { code, message: message.into(), field: None }
    }

    /// What is needed to answer is away.
    pub fn unavailable(error: &dyn std::error::Error) -> Rejected {
        Rejected::new(Code::Unavailable, oi_events::chain(error))
    }

    /// There is no decision: whether one may still come.
    pub fn undecided(error: &RequestError) -> Rejected {
        let code = match error {
            RequestError::Timeout { .. } => Code::Undecided,
            RequestError::Submit(_) | RequestError::Listen(_) => Code::Unavailable,
        };
        Rejected::new(code, oi_events::chain(error))
    }

    /// A field does not hold what it must.
    pub fn field(field: &str, problem: impl std::fmt::Display) -> Rejected {
        Rejected {
            code: Code::Malformed,
            message: format!("{field}: {problem}"),
            field: Some(field.to_owned()),
        }
    }

    /// What is said, no longer than fits.
    fn short_message(&self) -> String {
        match self.message.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &self.message[..end]),
            None => self.message.clone(),
        }
    }

    /// The gRPC code that says most about it.
    fn grpc(&self) -> tonic::Code {
        match self.code.class() {
            CodeClass::Exists => tonic::Code::AlreadyExists,
            CodeClass::NotFound => tonic::Code::NotFound,
            CodeClass::Invalid => tonic::Code::InvalidArgument,
            CodeClass::Exhausted | CodeClass::Busy => tonic::Code::ResourceExhausted,
            CodeClass::Forbidden => tonic::Code::PermissionDenied,
            CodeClass::Undecided => tonic::Code::DeadlineExceeded,
            CodeClass::Unavailable => tonic::Code::Unavailable,
            CodeClass::Aborted => tonic::Code::Aborted,
            CodeClass::Precondition => tonic::Code::FailedPrecondition,
        }
    }

    /// As it is recorded and told to producers.
    pub fn to_record(&self, command_id: &str, actor: &str, command: &str) -> v1::Rejection {
        let violation = |field: &String| v1::FieldViolation {
            field: field.clone(),
            description: self.short_message(),
        };
        v1::Rejection {
            command_id: command_id.chars().take(LONGEST).collect(),
            actor: actor.chars().take(LONGEST).collect(),
            command: command.to_owned(),
            code: self.code.to_string(),
            message: self.short_message(),
            fields: self.field.iter().map(violation).collect(),
            retry_after_ms: if self.code.is_passing() { RETRY.as_millis() as u64 } else { 0 },
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
            details.add_bad_request_violation(field, refused.short_message());
        }
        if refused.code.is_passing() {
            details.set_retry_info(Some(RETRY));
        }
        let mut status =
            Status::with_error_details(refused.grpc(), refused.short_message(), details);
        if let Ok(value) = MetadataValue::try_from(refused.code.as_str()) {
            status.metadata_mut().insert("oi-code", value);
        }
        status
    }
}
