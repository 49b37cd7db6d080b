//! Who says who a cluster's users are, as its API servers read it: an
//! AuthenticationConfiguration of Kubernetes (KEP-3331), which they read again when it changes.

use oi_domain::{Authentication, Node};
use oi_events::{ClaimMapping, Issuer};
use serde_json::{Value, json};

/// Whether an API server on that node is to read it: older ones were started without.
pub fn is_known_to(authentication: &Authentication, node: &Node) -> bool {
    node.generation >= authentication.since
}

/// The file; JSON is YAML.
pub fn config(authentication: &Authentication) -> String {
    let jwt: Vec<Value> = authentication.issuers.iter().map(authenticator).collect();
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
                "expression": "!user.username.startsWith('system:')",
                "message": "names in system: are Kubernetes' own",
            },
            {
                "expression": "user.groups.all(group, !group.startsWith('system:'))",
                "message": "groups in system: are Kubernetes' own",
            },
        ],
    })
}
