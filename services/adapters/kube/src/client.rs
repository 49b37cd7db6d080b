//! Sends requests.

use crate::error::KubeError;
use crate::message::{Reply, Request, Verb};
use crate::server::{Identity, Server};
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use ureq::http;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// The longest answer that is read, bytes.
const LONGEST: u64 = 8 * 1024 * 1024;
/// A list of which only the metadata of its objects is wanted.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const CONNECT: Duration = Duration::from_secs(5);

/// A client of one API server. It keeps its connections.
pub struct Client {
    agent: ureq::Agent,
    address: String,
    bearer: Option<String>,
}

impl Client {
    /// A client that connects when it is first used.
    ///
    /// # Errors
    /// If certificates or keys are malformed.
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

    /// Sends a request once.
    ///
    /// # Errors
    /// If there is no reply. A rejection is a reply.
    pub fn call(&self, request: &Request) -> Result<Reply, KubeError> {
        let answer = self.send(request)?;
        let status = answer.status().as_u16();
        let body = self.read(request.verb, answer.into_body().into_reader())?;
        Ok(Reply { status, body })
    }

    fn send(&self, request: &Request) -> Result<http::Response<ureq::Body>, KubeError> {
        let (method, content) = match request.verb {
            Verb::Get | Verb::First | Verb::Metadata => ("GET", None),
            Verb::Post => ("POST", Some("application/json")),
            Verb::Put => ("PUT", Some("application/json")),
            // JSON is YAML.
            Verb::Apply => ("PATCH", Some("application/apply-patch+yaml")),
            Verb::Merge => ("PATCH", Some("application/merge-patch+json")),
            Verb::Delete => ("DELETE", Some("application/json")),
        };
        let accept = match request.verb {
            Verb::Metadata => METADATA,
            _ => "application/json",
        };
        let mut builder = http::Request::builder()
            .method(method)
            .uri(format!("https://{}{}", self.address, request.path))
            .header("Accept", accept);
        if let Some(bearer) = &self.bearer {
            builder = builder.header("Authorization", bearer);
        }
        if let Some(content) = content.filter(|_| !request.body.is_empty()) {
            builder = builder.header("Content-Type", content);
        }
        let malformed = |_| KubeError::Path(request.path.clone());
        let answer = if request.body.is_empty() {
            self.agent.run(builder.body(()).map_err(malformed)?)
        } else {
            self.agent.run(builder.body(request.body.as_slice()).map_err(malformed)?)
        };
        let address = || self.address.clone();
        answer.map_err(|source| KubeError::Call { address: address(), source: Box::new(source) })
    }

    fn read(&self, verb: Verb, reader: impl Read) -> Result<Vec<u8>, KubeError> {
        let broke = |source| KubeError::Read { address: self.address.clone(), source };
        let mut body = Vec::new();
        if verb == Verb::First {
            BufReader::new(reader.take(LONGEST)).read_until(b'\n', &mut body).map_err(broke)?;
            return Ok(body);
        }
        reader.take(LONGEST).read_to_end(&mut body).map_err(broke)?;
        if body.len() as u64 >= LONGEST {
            return Err(KubeError::TooLong(self.address.clone()));
        }
        Ok(body)
    }
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
