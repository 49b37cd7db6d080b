//! The AuthenticationConfiguration of an API server (KEP-3331): its external identity providers.

use oi_events::{ClaimMapping, Issuer};
use serde_json::{Value, json};

/// The file. JSON is YAML.
pub fn config(issuers: &[Issuer]) -> String {
    let jwt: Vec<Value> = issuers.iter().map(authenticator).collect();
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "jwt": jwt,
    })
    .to_string()
}

fn authenticator(issuer: &Issuer) -> Value {
    let mut signer = json!({"url": issuer.url, "audiences": issuer.audiences});
    if let Some(url) = &issuer.discovery_url {
        signer["discoveryURL"] = json!(url);
    }
    if let Some(pem) = &issuer.certificate_authority {
        signer["certificateAuthority"] = json!(pem);
    }
    if issuer.audiences.len() > 1 {
        signer["audienceMatchPolicy"] = json!("MatchAny");
    }
    let required =
        |(claim, value): &(String, String)| json!({"claim": claim, "requiredValue": value});
    let mapping = |m: &ClaimMapping| json!({"claim": m.claim, "prefix": m.prefix});
    let mut mappings = json!({"username": mapping(&issuer.username)});
    if let Some(groups) = &issuer.groups {
        mappings["groups"] = mapping(groups);
    }
    json!({
        "issuer": signer,
        "claimValidationRules": issuer.required_claims.iter().map(required).collect::<Vec<_>>(),
        "claimMappings": mappings,
        // A provider that signs for users must not be able to sign for the cluster itself.
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
