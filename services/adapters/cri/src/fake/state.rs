//! What a fake runtime has.

use super::{When, etcd};
use k8s_cri::v1 as cri;
use std::collections::{BTreeMap, BTreeSet};
use tonic::Status;

#[derive(Default)]
pub struct Inner {
    next: u64,
    pub sandboxes: BTreeMap<String, cri::PodSandbox>,
    pub containers: BTreeMap<String, cri::Container>,
    pub images: BTreeSet<String>,
    pub absent_images: BTreeSet<String>,
    pub listening: BTreeSet<u16>,
    /// What paths have in them that cannot be removed.
    pub lasting: BTreeSet<String>,
    pub calls: BTreeMap<&'static str, u64>,
    pub failures: BTreeMap<(&'static str, When), u64>,
    pub commands: BTreeMap<String, Vec<String>>,
    pub mounts: BTreeMap<String, Vec<cri::Mount>>,
    pub etcd: etcd::Members,
    /// The next snapshot of etcd lacks its end.
    pub cuts_snapshot: bool,
    /// What unpacks a backup does not end.
    pub holds_restores: bool,
    /// Paths of requests to API servers, in order.
    pub requests: Vec<String>,
    /// What was applied, by API server and path.
    pub objects: BTreeMap<(String, String), Vec<u8>>,
    /// API servers refuse what changes an object with this in its path.
    pub refused: Option<String>,
}

impl Inner {
    /// Fails if a failure was asked for.
    pub fn inject(&mut self, method: &'static str, when: When) -> Result<(), Status> {
        match self.failures.get_mut(&(method, when)) {
            Some(n) if *n > 0 => {
                *n -= 1;
                Err(Status::internal(format!("injected {when:?} {method}")))
            }
            _ => Ok(()),
        }
    }

    /// A new id.
    pub fn id(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}{:08}", self.next)
    }

    /// Removes a sandbox with its containers.
    pub fn remove_sandbox(&mut self, id: &str) {
        self.sandboxes.remove(id);
        self.containers.retain(|_, c| c.pod_sandbox_id != id);
    }
}
