//! What machines need to join, as `kubeadm init` leaves it: where the API is and how to trust
//! it, the kubelet's configuration, rights for those who hold a token, the tokens themselves.

use super::{Object, OpenToken, Subject};
use base64::{Engine, engine::general_purpose::STANDARD};
use oi_domain::service_ip;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

pub const RBAC: &str = "rbac.authorization.k8s.io/v1";
const SYSTEM: &str = "kube-system";
/// Who holds a token.
pub const BOOTSTRAPPERS: &str = "system:bootstrappers:kubeadm:default-node-token";
pub const NODES: &str = "system:nodes";

pub fn group(name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name})
}

fn user(name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name})
}

/// Binds subjects to a cluster role.
pub fn bind(name: &str, role: &str, subjects: Value) -> Object {
    let role =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    let rest = json!({"roleRef": role, "subjects": subjects});
    Object::new(RBAC, "ClusterRoleBinding", "", name, rest)
}

/// Lets subjects read one ConfigMap.
pub fn readable(namespace: &str, name: &str, config_map: &str, subjects: Value) -> [Object; 2] {
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [config_map], "verbs": ["get"],
    }]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
    [
        Object::new(RBAC, "Role", namespace, name, json!({"rules": rules})),
        Object::new(
            RBAC,
            "RoleBinding",
            namespace,
            name,
            json!({"roleRef": role, "subjects": subjects}),
        ),
    ]
}

/// A kubeconfig that says where the API is and whom to trust, for everybody.
fn cluster_info(subject: &Subject) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "contexts": null,
        "current-context": "", "users": null,
        "clusters": [{"name": "", "cluster": {
            "server": format!("https://{}", subject.endpoint),
            "certificate-authority-data": STANDARD.encode(subject.authorities()),
        }}],
    });
    config.to_string()
}

fn kubeadm_config(subject: &Subject) -> String {
    let c = &subject.cluster;
    json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": subject.name.as_str(),
        "controlPlaneEndpoint": subject.endpoint.to_string(),
        "kubernetesVersion": c.spec.kubernetes_version.to_string(),
        "imageRepository": "registry.k8s.io",
        "certificatesDir": "/etc/kubernetes/pki",
        "networking": {
            "dnsDomain": c.spec.dns_domain, "podSubnet": c.spec.pod_cidr, "serviceSubnet": c.spec.service_cidr,
        },
    })
    .to_string()
}

/// As kubeadm has it, but that serving certificates are asked for, so that the API server
/// knows whom it speaks to.
fn kubelet_config(subject: &Subject) -> String {
    let c = &subject.cluster;
    let dns = service_ip(&c.spec.service_cidr, 10).map(|ip| ip.to_string());
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": dns.into_iter().collect::<Vec<_>>(),
        "clusterDomain": c.spec.dns_domain,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "rotateCertificates": true,
        "serverTLSBootstrap": true,
        "staticPodPath": "/etc/kubernetes/manifests",
    })
    .to_string()
}

pub fn config_map(namespace: &str, name: &str, data: Value) -> Object {
    Object::new("v1", "ConfigMap", namespace, name, json!({"data": data}))
}

fn token(token: &OpenToken) -> Object {
    let expiration =
        jiff::Timestamp::from_millisecond(i64::try_from(token.expires_ms).unwrap_or(i64::MAX))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let data = json!({
        "token-id": token.id.as_str(),
        "token-secret": token.secret,
        "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": BOOTSTRAPPERS,
        "description": token.description,
    });
    let encoded: serde_json::Map<String, Value> = data
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.clone(), json!(STANDARD.encode(v.as_str().unwrap_or_default()))))
        .collect();
    let rest = json!({"type": "bootstrap.kubernetes.io/token", "data": encoded});
    Object::new("v1", "Secret", SYSTEM, &format!("bootstrap-token-{}", token.id), rest)
}

/// All but the endpoints.
pub fn objects(subject: &Subject, tokens: &[OpenToken]) -> Vec<Object> {
    let joining = json!([group(BOOTSTRAPPERS)]);
    let both = json!([group(BOOTSTRAPPERS), group(NODES)]);
    let approve = "system:certificates.k8s.io:certificatesigningrequests";
    let get_nodes =
        json!({"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]});
    let mut all = vec![
        bind("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", joining.clone()),
        bind(
            "kubeadm:node-autoapprove-bootstrap",
            &format!("{approve}:nodeclient"),
            joining.clone(),
        ),
        bind(
            "kubeadm:node-autoapprove-certificate-rotation",
            &format!("{approve}:selfnodeclient"),
            json!([group(NODES)]),
        ),
        Object::new(RBAC, "ClusterRole", "", "kubeadm:get-nodes", get_nodes),
        bind("kubeadm:get-nodes", "kubeadm:get-nodes", joining),
        // The API server towards kubelets.
        bind(
            "oi:kubelet-api",
            "system:kubelet-api-admin",
            json!([user("kube-apiserver-kubelet-client")]),
        ),
        config_map("kube-public", "cluster-info", json!({"kubeconfig": cluster_info(subject)})),
        config_map(
            SYSTEM,
            "kubeadm-config",
            json!({"ClusterConfiguration": kubeadm_config(subject)}),
        ),
        config_map(SYSTEM, "kubelet-config", json!({"kubelet": kubelet_config(subject)})),
    ];
    let anonymous = json!([user("system:anonymous")]);
    all.extend(readable(
        "kube-public",
        "kubeadm:bootstrap-signer-clusterinfo",
        "cluster-info",
        anonymous,
    ));
    all.extend(readable(SYSTEM, "kubeadm:nodes-kubeadm-config", "kubeadm-config", both.clone()));
    all.extend(readable(SYSTEM, "kubeadm:kubelet-config", "kubelet-config", both.clone()));
    all.extend(readable(SYSTEM, "kubeadm:kube-proxy-config", "kube-proxy", both));
    all.extend(tokens.iter().map(token));
    all
}

/// Where pods find the API: at the ingresses, for control planes are on private machines.
pub fn endpoints(told: &[SocketAddr]) -> Vec<Object> {
    // One port for all of them is all that the older form can say of one subset.
    let subset = |e: &SocketAddr| {
        json!({
            "addresses": [{"ip": e.ip().to_string()}],
            "ports": [{"name": "https", "port": e.port(), "protocol": "TCP"}],
        })
    };
    let subsets: Vec<Value> = told.iter().map(subset).collect();
    let mut all = vec![
        Object::new("v1", "Endpoints", "default", "kubernetes", json!({"subsets": subsets}))
            .labelled("endpointslice.kubernetes.io/skip-mirror", "true"),
    ];
    for (n, endpoint) in told.iter().enumerate() {
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
