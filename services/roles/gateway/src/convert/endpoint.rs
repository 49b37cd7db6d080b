//! Endpoints, between requests, the state and answers.

use super::{IntoCommand, parse, port};
use crate::rejected::Rejected;
use oi_events::{Command, Endpoint, SetEndpointV1, SetExtraSansV1};
use oi_proto::v1;

impl IntoCommand for v1::SetEndpoint {
    fn into_command(self) -> Result<Command, Rejected> {
        let endpoint = |e: v1::Endpoint| -> Result<Endpoint, Rejected> {
            let port = port("endpoint.port", e.port)?;
            Ok(Endpoint { host: e.host, port, forwarded: e.forwarded })
        };
        Ok(SetEndpointV1 {
            cluster: parse("cluster", &self.cluster)?,
            endpoint: self.endpoint.map(endpoint).transpose()?,
        }
        .into())
    }
}

impl IntoCommand for v1::SetExtraSans {
    fn into_command(self) -> Result<Command, Rejected> {
        let cluster = parse("cluster", &self.cluster)?;
        Ok(SetExtraSansV1 { cluster, extra_sans: self.extra_sans }.into())
    }
}

/// As a message.
pub fn shown(endpoint: &Endpoint) -> v1::Endpoint {
    let Endpoint { host, port, forwarded } = endpoint.clone();
    v1::Endpoint { host, port: port.into(), forwarded }
}
