//! Runs pods on a hypervisor that offers nothing but a CRI endpoint.
//!
//! [`CriClient`] speaks the Kubernetes Container Runtime Interface v1 over a unix socket, or over
//! TCP with mutual TLS. On top of it, [`ensure_sandbox`], [`ensure_container`] and [`remove_pods`]
//! are idempotent: called again, by any number of workers, they leave one sandbox for each pod,
//! and restart nothing that is as described. [`Helper`] carries files and requests through a
//! container of ours.
//!
//! [`fake`] serves the same gRPC interface from memory, so that tests use the real client.

mod client;
mod endpoint;
pub mod fake;
mod helper;
mod pod;
mod spec;
mod traced;

pub use client::{CriClient, CriError, ExecOutput};
pub use endpoint::{Endpoint, EndpointError, FileTimes, TlsFiles};
pub use helper::{Helper, HelperError, HelperSettings};
pub use oi_helper::FileOp;
pub use oi_kube::{Identity, KubeError, Reply, Request, Server, Verb, items, version};
pub use pod::{
    GRACE, PodError, Sandbox, ensure_container, ensure_sandbox, generation_of, is_outdated,
    prepare_container, remove_others, remove_pods, remove_pods_until,
};
pub use spec::{ContainerSpec, HashError, Labels, Mount, PodSpec, PortMapping, label};

/// The state of a ready sandbox.
pub const SANDBOX_READY: i32 = k8s_cri::v1::PodSandboxState::SandboxReady as i32;
/// The state of a running container.
pub const CONTAINER_RUNNING: i32 = k8s_cri::v1::ContainerState::ContainerRunning as i32;
