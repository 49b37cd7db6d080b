//! CertificateSigningRequests.

use super::judge::Verdict;
use serde_json::{Value, json};

/// The path of all requests.
pub const PATH: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// The signer of serving certificates.
pub const SIGNER: &str = "kubernetes.io/kubelet-serving";

/// Whether nothing was decided yet.
pub fn is_pending(request: &Value) -> bool {
    request["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
}

/// The request with its decision, for its `approval` subresource; none while it waits.
pub fn decided(request: &Value, verdict: &Verdict) -> Option<Value> {
    let (kind, message) = match verdict {
        Verdict::Approve => ("Approved", "it names the node that asks, and nothing else"),
        Verdict::Deny(why) => ("Denied", why.as_str()),
        Verdict::Wait(_) => return None,
    };
    let mut request = request.clone();
    request["apiVersion"] = json!("certificates.k8s.io/v1");
    request["kind"] = json!("CertificateSigningRequest");
    request["status"] = json!({"conditions": [
        {"type": kind, "status": "True", "reason": "OiKubeletServing", "message": message},
    ]});
    Some(request)
}
