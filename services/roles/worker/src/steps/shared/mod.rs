//! What several kinds of jobs have in common.

pub mod backups;
mod etcdctl;
pub mod haproxy;
mod membership;
mod node_files;
mod shared_ports;
mod traffic;

pub use traffic::Traffic;
