//! Serving certificates of kubelets: who gets one, and for which names.
//!
//! Kubernetes approves none of them, because the names of a machine must be checked against
//! something (KEP-0266). Here they are checked against the Node of whoever asks: a certificate is
//! never issued for the names or addresses of another node, or of the control plane.

mod approve;
mod judge;
mod request;
#[cfg(test)]
mod tests;

pub use approve::ServingCertificates;
