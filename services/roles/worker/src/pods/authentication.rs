//! Who says who a cluster's users are, as its API servers read it: an
//! AuthenticationConfiguration of Kubernetes (KEP-3331).

use oi_events::{ClaimMapping, Issuer};
use serde_json::{Value, json};

/// The file; JSON is YAML.
pub fn config(issuers: &[Issuer]) -> String {
    let jwt: Vec<Value> = issuers.iter().map(authenticator).collect();
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": jwt,
    })
    .to_string()
}

fn authenticator(issuer: &Issuer) -> Value {
    let mut signs = json!({"url": issuer.url, "audiences": issuer.audiences});
    if let Some(url) = &issuer.discovery_url {
        signs["discoveryURL"] = json!(url);
    }
    if let Some(pem) = &issuer.certificate_authority {
        signs["certificateAuthority"] = json!(pem);
    }
    if issuer.audiences.len() > 1 {
        signs["audienceMatchPolicy"] = json!("MatchAny");
    }
    let required =
        |(claim, value): &(String, String)| json!({"claim": claim, "requiredValue": value});
    let mapping = |m: &ClaimMapping| json!({"claim": m.claim, "prefix": m.prefix});
    let mut mappings = json!({"username": mapping(&issuer.username)});
    if let Some(groups) = &issuer.groups {
        mappings["groups"] = mapping(groups);
    }
    json!({
        "issuer": signs,
        "claimValidationRules": issuer.required_claims.iter().map(required).collect::<Vec<_>>(),
        "claimMappings": mappings,
        // Whoever signs for users must not be able to sign for the cluster itself.
        "userValidationRules": [
            {
                "expression": "!user.username.startsWith('system:') && !user.username.startsWith('oi:') && user.username != 'kube-apiserver-kubelet-client'",
                "message": "this name is the cluster's own",
            },
            {
                "expression": "user.groups.all(group, !group.startsWith('system:') && !group.startsWith('oi:') && !group.startsWith('kubeadm:'))",
                "message": "a group is the cluster's own",
            },
        ],
    })
}
