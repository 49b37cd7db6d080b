//! What several kinds of jobs have in common.

pub mod backups;
mod etcdctl;
pub mod haproxy;
mod membership;
mod node_files;
mod shared_ports;
pub mod snapshot_sum;
mod traffic;

pub use traffic::Traffic;
