//! Why there is no reply, or not the wanted one.

/// Why there is no reply, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// A certificate or key is not PEM.
    #[error("a certificate or key is not PEM")]
    Pem(#[source] ureq::Error),
    /// There is no CA certificate to trust.
    #[error("there is no authority to trust: the file with its certificate holds none")]
    NoCa,
    /// Nothing answers.
    #[error("no answer from https://{address}")]
    Call {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer broke off.
    #[error("the answer from https://{address} broke off")]
    Read {
        /// The address.
        address: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The answer is too long, or all that are asked for at once.
    #[error("answers from https://{0} are longer than 8 MiB")]
    TooLong(String),
    /// The path is malformed.
    #[error("{0:?} is not a path of the API")]
    Path(String),
    /// The API rejects the request.
    #[error("the API answers {status}: {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The API's message.
        message: String,
    },
    /// The answer is not a list.
    #[error("the API's answer is not a list of objects")]
    NoList,
    /// The answer is not JSON.
    #[error("the API's answer is not JSON")]
    Json(#[source] serde_json::Error),
}

impl KubeError {
    /// Whether TLS says that the other side is not who it should be.
    pub fn is_distrust(&self) -> bool {
        match self {
            KubeError::Call { source, .. } => match &**source {
                ureq::Error::Rustls(_) => true,
                // A failed handshake is reported like this.
                ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
                _ => false,
            },
            _ => false,
        }
    }
}
