//! CertificateSigningRequests.

use super::judge::Verdict;
use serde_json::{Value, json};

/// The path of all requests.
pub const PATH: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
/// A kubelet's request has some 2 KiB.
const LARGEST: usize = 256 * 1024;
/// The signer of serving certificates.
pub const SIGNER: &str = "kubernetes.io/kubelet-serving";

/// Whether nothing was decided yet.
pub fn is_pending(request: &Value) -> bool {
    request["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
}

/// Whether it is no larger than a kubelet's can be. Others stay undecided until Kubernetes removes
/// them: an answer contains the whole request, and one that fails must not hold up the others.
pub fn is_plain(request: &Value) -> bool {
    request.to_string().len() <= LARGEST
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
