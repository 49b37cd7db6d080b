//! The endpoints of the `kubernetes` Service: the ingresses, because control planes may be on
//! private machines.

use super::Object;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

pub fn objects(advertised: &[SocketAddr]) -> Vec<Object> {
    // In Endpoints, ports belong to a subset: each address has a subset of its own.
    let subset = |e: &SocketAddr| {
        json!({
            "addresses": [{"ip": e.ip().to_string()}],
            "ports": [{"name": "https", "port": e.port(), "protocol": "TCP"}],
        })
    };
    let subsets: Vec<Value> = advertised.iter().map(subset).collect();
    let mut all = vec![
        Object::new("v1", "Endpoints", "default", "kubernetes", json!({"subsets": subsets}))
            .labelled("endpointslice.kubernetes.io/skip-mirror", "true"),
    ];
    for (n, endpoint) in advertised.iter().enumerate() {
        let family = if matches!(endpoint.ip(), IpAddr::V4(_)) { "IPv4" } else { "IPv6" };
        let name = if n == 0 { "kubernetes".to_owned() } else { format!("kubernetes-{n}") };
        let rest = json!({
            "addressType": family,
            "endpoints": [{
                "addresses": [endpoint.ip().to_string()], "conditions": {"ready": true},
            }],
            "ports": [{"name": "https", "port": endpoint.port(), "protocol": "TCP"}],
        });
        let slice = Object::new("discovery.k8s.io/v1", "EndpointSlice", "default", &name, rest);
        all.push(slice.labelled("kubernetes.io/service-name", "kubernetes"));
    }
    all
}
