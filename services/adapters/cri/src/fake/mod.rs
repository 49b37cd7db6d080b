//! An in-memory CRI behind a real socket, for unit and scale tests.
//!
//! Like a real runtime it rejects a second sandbox or container of the same name. `ExecSync` does
//! what the helper would, in a directory of the test.
#![allow(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    reason = "whoever it serves may be gone"
)]

mod calls;
mod etcd;
mod exec;
mod images;
mod runtime;
mod state;

use k8s_cri::v1 as cri;
use k8s_cri::v1::image_service_server::ImageServiceServer;
use k8s_cri::v1::runtime_service_server::RuntimeServiceServer;
use oi_helper::Opener;
use state::Inner;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::Status;

/// When an injected failure happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Before the call has any effect.
    Before,
    /// After it had its effect: the caller does not hear of it.
    After,
}

/// The fake runtime. Clones share everything.
#[derive(Clone)]
pub struct FakeCri {
    inner: Arc<Mutex<Inner>>,
    events: broadcast::Sender<cri::ContainerEventResponse>,
    opener: Arc<Opener>,
    root: PathBuf,
    /// While this is set, nobody's sandbox is made.
    holds: watch::Sender<bool>,
    /// While this is set, no container ends.
    stuck: watch::Sender<bool>,
    /// While this is set, no API server is ready.
    unready: watch::Sender<bool>,
}

/// A served fake; it stops when this is dropped.
pub struct Serving(tokio::task::JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl FakeCri {
    /// An empty runtime. Its helper writes below `root` only.
    pub fn new(root: &Path) -> FakeCri {
        FakeCri {
            inner: Arc::default(),
            events: broadcast::channel(1024).0,
            opener: Arc::default(),
            root: root.to_owned(),
            holds: watch::Sender::new(false),
            stuck: watch::Sender::new(false),
            unready: watch::Sender::new(false),
        }
    }

    /// Serves it on a unix socket.
    ///
    /// # Errors
    /// If the socket cannot be created.
    pub fn serve(&self, socket: &Path) -> std::io::Result<Serving> {
        let listener = tokio::net::UnixListener::bind(socket)?;
        let server = tonic::transport::Server::builder()
            .add_service(RuntimeServiceServer::new(self.clone()))
            .add_service(ImageServiceServer::new(self.clone()));
        Ok(Serving(tokio::spawn(async move {
            let _ = server.serve_with_incoming(UnixListenerStream::new(listener)).await;
        })))
    }

    /// Serves it on a TCP port with mutual TLS.
    ///
    /// # Errors
    /// If the TLS settings cannot be used.
    pub fn serve_tls(
        &self,
        listener: tokio::net::TcpListener,
        tls: tonic::transport::ServerTlsConfig,
    ) -> Result<Serving, tonic::transport::Error> {
        let server = tonic::transport::Server::builder()
            .tls_config(tls)?
            .add_service(RuntimeServiceServer::new(self.clone()))
            .add_service(ImageServiceServer::new(self.clone()));
        Ok(Serving(tokio::spawn(async move {
            let _ = server.serve_with_incoming(TcpListenerStream::new(listener)).await;
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next call of a method fail, once, however often this is called.
    pub fn fail_once(&self, method: &'static str, when: When) {
        self.lock().failures.insert((method, when), 1);
    }

    /// Lets each call that makes a sandbox wait, until this is called with false.
    pub fn hold_sandboxes(&self, held: bool) {
        self.holds.send_replace(held);
    }

    /// Lets each call that ends a container wait, until this is called with false.
    pub fn hold_stops(&self, held: bool) {
        self.stuck.send_replace(held);
    }

    /// Lets the next snapshot of etcd lack its end.
    pub fn cut_snapshot(&self) {
        self.lock().cuts_snapshot = true;
    }

    /// Lets what unpacks a backup run on, until this is called with false.
    pub fn hold_restores(&self, held: bool) {
        self.lock().holds_restores = held;
    }

    /// How often the members of etcd were listed.
    pub fn member_lists(&self) -> u64 {
        self.lock().etcd.lists
    }

    /// The names of the members of etcd.
    pub fn members(&self) -> Vec<String> {
        self.lock().etcd.names()
    }

    /// Gives a member another id, as if it had left and come back. Returns whether there is one.
    pub fn renew_member(&self, name: &str) -> bool {
        self.lock().etcd.renew(name)
    }

    /// No registry has images with this in their name.
    pub fn lack_images(&self, of: &str) {
        self.lock().absent_images.insert(of.to_owned());
    }

    /// Lets no API server become ready, until this is called with false.
    pub fn hold_readiness(&self, held: bool) {
        self.unready.send_replace(held);
    }

    /// Has an image, as if it had been pulled.
    pub fn add_image(&self, name: &str) {
        self.lock().images.insert(name.to_owned());
    }

    /// The names of all images.
    pub fn images(&self) -> Vec<String> {
        self.lock().images.iter().cloned().collect()
    }

    /// Says when a sandbox was made, Unix nanoseconds.
    pub fn age_sandbox(&self, id: &str, created_ns: i64) {
        if let Some(sandbox) = self.lock().sandboxes.get_mut(id) {
            sandbox.created_at = created_ns;
        }
    }

    /// How often each method was called.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.lock().calls.clone()
    }

    /// All sandboxes.
    pub fn sandboxes(&self) -> Vec<cri::PodSandbox> {
        self.lock().sandboxes.values().cloned().collect()
    }

    /// All containers.
    pub fn containers(&self) -> Vec<cri::Container> {
        self.lock().containers.values().cloned().collect()
    }

    /// The paths of all requests to API servers.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    /// API servers have nothing of what was applied.
    pub fn forget_objects(&self) {
        self.lock().objects.clear();
    }

    /// Lets a webhook refuse what changes objects with this in their path.
    pub fn refuse_requests(&self, path: &str) {
        self.lock().refused = Some(path.to_owned());
    }

    /// Something else listens on a port of the machine.
    pub fn listen(&self, port: u16) {
        self.lock().listening.insert(port);
    }

    /// Changes a label of all sandboxes that have another one.
    pub fn relabel_sandboxes(&self, with: &str, label: &str, value: &str) {
        let mut inner = self.lock();
        for sandbox in inner.sandboxes.values_mut().filter(|s| s.labels.contains_key(with)) {
            sandbox.labels.insert(label.to_owned(), value.to_owned());
        }
    }

    /// Takes a label off all containers.
    pub fn unlabel_containers(&self, label: &str) {
        for container in self.lock().containers.values_mut() {
            container.labels.remove(label);
        }
    }

    /// Nothing can be removed at paths with this in them.
    pub fn refuse_removals(&self, of: &str) {
        self.lock().lasting.insert(of.to_owned());
    }

    /// Lets a container die.
    pub fn kill_container(&self, id: &str) {
        if let Some(c) = self.lock().containers.get_mut(id) {
            c.state = cri::ContainerState::ContainerExited.into();
        }
        self.tell_stopped(id);
    }

    fn tell_stopped(&self, id: &str) {
        let _ = self.events.send(cri::ContainerEventResponse {
            container_id: id.to_owned(),
            container_event_type: cri::ContainerEventType::ContainerStoppedEvent.into(),
            ..Default::default()
        });
    }

    fn enter(&self, method: &'static str) -> Result<MutexGuard<'_, Inner>, Status> {
        let mut inner = self.lock();
        *inner.calls.entry(method).or_default() += 1;
        inner.inject(method, When::Before)?;
        Ok(inner)
    }
}
