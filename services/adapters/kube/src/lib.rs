//! A small client of the Kubernetes API: one connection's settings, requests as data, and
//! no more. It is used where nothing larger fits: in the helper on hypervisors, which does a
//! worker's requests for it, and on machines that join a cluster.

use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use ureq::http;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use zeroize::Zeroize;

/// The longest answer that is read, bytes.
const LONGEST: u64 = 8 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Clone, Serialize, Deserialize)]
pub enum Identity {
    /// Nobody in particular.
    Anonymous,
    /// A client certificate and its key, PEM.
    Certificate {
        /// The certificate.
        certificate: String,
        /// Its key.
        key: String,
    },
    /// A bearer token.
    Token(String),
}

impl Drop for Identity {
    fn drop(&mut self) {
        match self {
            Identity::Anonymous => {}
            Identity::Certificate { key, .. } => key.zeroize(),
            Identity::Token(token) => token.zeroize(),
        }
    }
}

/// An API server and the way to it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Server {
    /// `host:port`.
    pub address: String,
    /// Certificates of the authorities that are trusted, PEM, and no others.
    pub authorities: String,
    /// Who asks.
    pub identity: Identity,
    /// The longest that an answer may take, milliseconds.
    pub limit_ms: u64,
}

/// What is done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Read.
    Get,
    /// Read the first line of what comes, and no more: for watches.
    First,
    /// Create.
    Post,
    /// Replace.
    Put,
    /// Server-side apply: what the body says is so, by the field manager in the path.
    Apply,
    /// JSON merge patch.
    Merge,
    /// Delete.
    Delete,
}

/// One request. What it carries may be secret, and is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is done.
    pub verb: Verb,
    /// Path and query, from `/`.
    pub path: String,
    /// JSON, or nothing.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl Request {
    /// Reads.
    pub fn get(path: impl Into<String>) -> Request {
        Request { verb: Verb::Get, path: path.into(), body: Vec::new() }
    }

    /// With an object.
    pub fn with(verb: Verb, path: impl Into<String>, object: &serde_json::Value) -> Request {
        Request { verb, path: path.into(), body: object.to_string().into_bytes() }
    }
}

/// An answer, whatever its status. What it carries may be secret, and is not shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The whole body; of a watch, its first line.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether it did what was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The object in it.
    ///
    /// # Errors
    /// [`KubeError::Refused`] with the API's own words where it did not do it.
    pub fn object(&self) -> Result<serde_json::Value, KubeError> {
        if !self.is_success() {
            return Err(KubeError::Rejected { status: self.status, message: self.message() });
        }
        serde_json::from_slice(&self.body).map_err(KubeError::Json)
    }

    /// What the API says of itself.
    pub fn message(&self) -> String {
        let status: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let message = status.as_ref().and_then(|s| s["message"].as_str());
        let text = String::from_utf8_lossy(&self.body);
        message.unwrap_or_else(|| text.lines().next().unwrap_or_default()).to_owned()
    }
}

/// Why there is no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// A certificate or key is none.
    #[error("a certificate or key is not PEM")]
    Pem(#[source] ureq::Error),
    /// There is no certificate to trust.
    #[error("there is no authority to trust: the file with its certificate holds none")]
    NoCa,
    /// It cannot be asked.
    #[error("no answer from https://{address}")]
    Call {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The answer broke off.
    #[error("the answer from https://{address} broke off")]
    Read {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The answer is too long to be read whole.
    #[error("the answer from https://{0} is longer than 8 MiB")]
    TooLong(String),
    /// A path that is none.
    #[error("{0:?} is not a path of the API")]
    Path(String),
    /// The API refused.
    #[error("the API answers {status}: {message}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
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
                // So a handshake tells it.
                ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
                _ => false,
            },
            _ => false,
        }
    }
}

/// A client of one API server; its connections are kept.
pub struct Client {
    agent: ureq::Agent,
    address: String,
    bearer: Option<String>,
}

fn tls(server: &Server) -> Result<TlsConfig, KubeError> {
    let mut authorities = Vec::new();
    for item in parse_pem(server.authorities.as_bytes()) {
        if let PemItem::Certificate(certificate) = item.map_err(KubeError::Pem)? {
            authorities.push(certificate);
        }
    }
    if authorities.is_empty() {
        return Err(KubeError::NoCa);
    }
    let builder = TlsConfig::builder().root_certs(RootCerts::from(authorities));
    Ok(match &server.identity {
        Identity::Certificate { certificate, key } => {
            let certificate =
                Certificate::from_pem(certificate.as_bytes()).map_err(KubeError::Pem)?;
            let key = PrivateKey::from_pem(key.as_bytes()).map_err(KubeError::Pem)?;
            builder.client_cert(Some(ClientCert::new_with_certs(&[certificate], key))).build()
        }
        Identity::Anonymous | Identity::Token(_) => builder.build(),
    })
}

impl Client {
    /// A client; it connects when it is used.
    ///
    /// # Errors
    /// Where certificates or keys are none.
    pub fn new(server: &Server) -> Result<Client, KubeError> {
        let config = ureq::Agent::config_builder()
            .tls_config(tls(server)?)
            .proxy(None)
            .https_only(true)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(Duration::from_millis(server.limit_ms)))
            .build();
        let bearer = match &server.identity {
            Identity::Token(token) => Some(format!("Bearer {token}")),
            _ => None,
        };
        Ok(Client { agent: config.new_agent(), address: server.address.clone(), bearer })
    }

    /// Asks once.
    ///
    /// # Errors
    /// Where there is no answer; a refusal is one.
    pub fn call(&self, request: &Request) -> Result<Reply, KubeError> {
        let (method, content) = match request.verb {
            Verb::Get | Verb::First => ("GET", None),
            Verb::Post => ("POST", Some("application/json")),
            Verb::Put => ("PUT", Some("application/json")),
            // JSON is YAML.
            Verb::Apply => ("PATCH", Some("application/apply-patch+yaml")),
            Verb::Merge => ("PATCH", Some("application/merge-patch+json")),
            Verb::Delete => ("DELETE", Some("application/json")),
        };
        let mut builder = http::Request::builder()
            .method(method)
            .uri(format!("https://{}{}", self.address, request.path))
            .header("Accept", "application/json");
        if let Some(bearer) = &self.bearer {
            builder = builder.header("Authorization", bearer);
        }
        if let Some(content) = content.filter(|_| !request.body.is_empty()) {
            builder = builder.header("Content-Type", content);
        }
        let malformed = |_| KubeError::Path(request.path.clone());
        let failed =
            |source| KubeError::Call { address: self.address.clone(), source: Box::new(source) };
        let answer = if request.body.is_empty() {
            self.agent.run(builder.body(()).map_err(malformed)?)
        } else {
            self.agent.run(builder.body(request.body.as_slice()).map_err(malformed)?)
        };
        let answer = answer.map_err(failed)?;
        let status = answer.status().as_u16();
        let broke = |source| KubeError::Read { address: self.address.clone(), source };
        let mut body = Vec::new();
        let reader = answer.into_body().into_reader();
        match request.verb {
            Verb::First => {
                BufReader::new(reader.take(LONGEST)).read_until(b'\n', &mut body).map_err(broke)?;
            }
            _ => {
                let length = reader.take(LONGEST).read_to_end(&mut body).map_err(broke)?;
                if u64::try_from(length).unwrap_or(u64::MAX) >= LONGEST {
                    return Err(KubeError::TooLong(self.address.clone()));
                }
            }
        }
        Ok(Reply { status, body })
    }
}
