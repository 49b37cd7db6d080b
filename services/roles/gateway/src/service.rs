//! The service itself, with health and reflection.

use crate::budget::Budget;
use crate::feed;
use crate::identity::Asks;
use crate::tls::Tls;
use oi_events::Limit;
use oi_journal::{CommandClient, Feed, Log, Rejections, Submissions};
use oi_keyring::Keyring;
use oi_proto::v1::{self, oi_server::OiServer};
use oi_view::View;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;

/// So many KiB of commands wait for their decision here at most, and as many of messages.
pub(crate) const WAITING: u32 = 16 * 1024;
/// As which the smallest of them count: for what else one takes that waits.
const LEAST: u32 = 16;
/// A client is asked to connect anew after so long; what it has open goes on meanwhile.
const CONNECTION: Duration = Duration::from_secs(3600);
/// Bytes of the largest request.
pub(crate) const LARGEST: usize = Limit::Request.bound() * 1024;

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is not to be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Serving ended.
    #[error("the API server failed")]
    Serve(#[source] tonic::transport::Error),
    /// A part has a defect.
    #[error("a part of the gateway ended without a word")]
    Part(#[source] tokio::task::JoinError),
    /// The descriptors do not fit.
    #[error("reflection cannot be offered")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// What a gateway may do beside reading the state.
#[derive(Clone)]
pub struct GatewayHandles {
    /// Reads the log.
    pub log: Log,
    /// Asks for decisions.
    pub commands: CommandClient,
    /// Takes commands of producers.
    pub submissions: Submissions,
    /// Records and lists rejections.
    pub rejections: Rejections,
    /// Extends the feed.
    pub feed: Feed,
    /// Opens key material.
    pub keyring: Keyring,
}

/// The API of a server.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) handles: GatewayHandles,
    pub(crate) view: View,
    pub(crate) version: &'static str,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) budget: Budget,
    pub(crate) asks: Asks,
}

/// The part of all that may wait that a command takes.
pub(crate) fn permits(bytes: usize) -> u32 {
    match u32::try_from(bytes.div_ceil(1024)) {
        Ok(kib) => kib.clamp(LEAST, WAITING),
        Err(_larger) => WAITING,
    }
}

impl Gateway {
    /// A gateway in a server of this version.
    pub fn new(handles: GatewayHandles, view: View, version: &'static str) -> Gateway {
        let permits = Arc::new(Semaphore::new(WAITING as usize));
        let budget = Budget::default();
        Gateway { handles, view, version, permits, budget, asks: Asks::ForCertificates }
    }

    /// Serves until `stop` resolves; requests in hand are finished. Without TLS whoever
    /// reaches the address may do everything.
    ///
    /// # Errors
    /// Where the address is taken, or a part has a defect.
    pub async fn serve(
        mut self,
        address: SocketAddr,
        tls: Option<Tls>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), GatewayError> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|source| GatewayError::Listen { address, source })?;
        self.asks = if tls.is_some() { Asks::ForCertificates } else { Asks::Nobody };
        let mut beside = JoinSet::new();
        beside.spawn(feed::extend_for_ever(self.handles.log.clone(), self.handles.feed.clone()));
        beside.spawn(self.clone().take_submissions());
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<OiServer<Gateway>>().await;
        beside.spawn(tell_health(health, self.handles.log.clone()));
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // What errors carry.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(GatewayError::Reflection)?;
        tracing::info!(%address, tls = tls.is_some(), "API served");
        let router = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .max_connection_age(CONNECTION)
            .add_service(health_service)
            .add_service(reflection)
            .add_service(OiServer::new(self).max_decoding_message_size(LARGEST));
        let served = async {
            match tls {
                Some(tls) => {
                    let incoming = ReceiverStream::new(tls.accept(listener));
                    router.serve_with_incoming_shutdown(incoming, stop).await
                }
                None => {
                    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                    router.serve_with_incoming_shutdown(incoming, stop).await
                }
            }
        };
        tokio::select! {
            served = served => served.map_err(GatewayError::Serve),
            // They end only with it.
            Some(Err(ended)) = beside.join_next() => Err(GatewayError::Part(ended)),
        }
    }
}

/// Says that it serves while the broker is there, and only then.
async fn tell_health(health: tonic_health::server::HealthReporter, log: Log) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        if log.is_connected() {
            health.set_serving::<OiServer<Gateway>>().await;
        } else {
            health.set_not_serving::<OiServer<Gateway>>().await;
        }
    }
}
