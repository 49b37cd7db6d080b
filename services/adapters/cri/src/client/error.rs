//! Why a CRI call fails.

use crate::endpoint::EndpointError;
use tonic::{Code, Status};

/// What a failed call was answered with: the innermost cause, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Answer {
    /// The gRPC code.
    pub code: Code,
    message: String,
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        let mut message = status.message().to_owned();
        let mut source = std::error::Error::source(&status);
        while let Some(cause) = source {
            message = cause.to_string();
            source = cause.source();
        }
        Answer { code: status.code(), message }
    }
}

/// Why a CRI call fails.
#[derive(Debug, thiserror::Error)]
pub enum CriError {
    /// The endpoint cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nothing answers.
    #[error("CRI endpoint {endpoint} does not answer: is the container runtime running there?")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// The cause.
        #[source]
        source: Answer,
    },
    /// Something answers that does not speak CRI.
    #[error("{endpoint} answers, but is not a CRI v1 endpoint")]
    NotCri {
        /// The endpoint.
        endpoint: String,
        /// The cause.
        #[source]
        source: Answer,
    },
    /// The runtime rejects a call.
    #[error("{call} on {endpoint}")]
    Call {
        /// The method.
        call: &'static str,
        /// The endpoint.
        endpoint: String,
        /// The cause.
        #[source]
        source: Answer,
    },
}

impl CriError {
    /// The error of a call.
    pub(super) fn of(call: &'static str, endpoint: String, status: Status) -> CriError {
        let transport = std::error::Error::source(&status).is_some();
        let source = Answer::from(status);
        match source.code {
            Code::Unimplemented => CriError::NotCri { endpoint, source },
            Code::Unavailable => CriError::Unreachable { endpoint, source },
            // Bytes that are not gRPC are a transport error.
            Code::Unknown | Code::Internal if transport => CriError::NotCri { endpoint, source },
            _ => CriError::Call { call, endpoint, source },
        }
    }

    /// Whether the runtime says that the thing does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, CriError::Call { source, .. } if source.code == Code::NotFound)
    }

    /// Whether the runtime says that the request can never succeed: the name of an image is
    /// malformed, for example.
    pub fn is_invalid_argument(&self) -> bool {
        matches!(self, CriError::Call { source, .. } if source.code == Code::InvalidArgument)
    }

    /// Whether the endpoint itself fails, not the call.
    pub fn is_unreachable(&self) -> bool {
        !matches!(self, CriError::Call { .. })
    }
}
