//! What machines need to join, as `kubeadm init` leaves it: the API's endpoint and CA, the
//! configuration of kubelets, rights for holders of a token, and the tokens.

use super::template::Values;
use super::{ClusterContext, JoinToken, Object, TemplateError, render};
use base64::{Engine, engine::general_purpose::STANDARD};
use oi_domain::service_ip;
use serde_json::{Map, Value, json};

/// The group of whoever holds a join token.
const BOOTSTRAPPERS: &str = "system:bootstrappers:kubeadm:default-node-token";
/// The group of all nodes.
const NODES: &str = "system:nodes";

pub fn objects(
    cluster: &ClusterContext,
    tokens: &[JoinToken],
) -> Result<Vec<Object>, TemplateError> {
    let values = Values::from([
        ("bootstrappers", bootstrappers()),
        ("nodes", nodes()),
        ("cluster_info", json!(cluster_info(cluster))),
        ("kubeadm_config", json!(kubeadm_config(cluster))),
        ("kubelet_config", json!(kubelet_config(cluster)?)),
    ]);
    let mut all = render(include_str!("templates/join.yaml"), &values)?;
    all.extend(tokens.iter().map(token));
    Ok(all)
}

fn group(name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name})
}

/// The subject of a binding: machines that hold a join token.
pub fn bootstrappers() -> Value {
    group(BOOTSTRAPPERS)
}

/// The subject of a binding: all nodes.
pub fn nodes() -> Value {
    group(NODES)
}

/// A kubeconfig with the API's endpoint and CA, and no user.
fn cluster_info(cluster: &ClusterContext) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "contexts": null,
        "current-context": "", "users": null,
        "clusters": [{"name": "", "cluster": {
            "server": format!("https://{}", cluster.endpoint),
            "certificate-authority-data": STANDARD.encode(cluster.ca_bundle()),
        }}],
    });
    config.to_string()
}

fn kubeadm_config(cluster: &ClusterContext) -> String {
    let c = &cluster.cluster;
    json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": cluster.name.as_str(),
        "controlPlaneEndpoint": cluster.endpoint.to_string(),
        "kubernetesVersion": c.spec.kubernetes_version.to_string(),
        "imageRepository": "registry.k8s.io",
        "certificatesDir": "/etc/kubernetes/pki",
        "networking": {
            "dnsDomain": c.spec.dns_domain, "podSubnet": c.spec.pod_cidr, "serviceSubnet": c.spec.service_cidr,
        },
    })
    .to_string()
}

/// kubeadm's configuration, except that kubelets ask for serving certificates, so that API
/// servers know whom they talk to.
fn kubelet_config(cluster: &ClusterContext) -> Result<String, TemplateError> {
    let c = &cluster.cluster;
    let dns = service_ip(&c.spec.service_cidr, 10)?.to_string();
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [dns],
        "clusterDomain": c.spec.dns_domain,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "rotateCertificates": true,
        "serverTLSBootstrap": true,
        "staticPodPath": "/etc/kubernetes/manifests",
    });
    Ok(config.to_string())
}

fn token(token: &JoinToken) -> Object {
    let expires = match i64::try_from(token.expires_ms).map(jiff::Timestamp::from_millisecond) {
        Ok(Ok(time)) => time,
        // After the year 9999.
        Ok(Err(_)) | Err(_) => jiff::Timestamp::MAX,
    };
    let expiration = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let data = [
        ("token-id", token.id.as_str()),
        ("token-secret", token.secret.as_str()),
        ("expiration", expiration.as_str()),
        ("usage-bootstrap-authentication", "true"),
        ("usage-bootstrap-signing", "true"),
        ("auth-extra-groups", BOOTSTRAPPERS),
        ("description", token.description.as_str()),
    ];
    let encoded: Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(STANDARD.encode(value))))
        .collect();
    let rest = json!({"type": "bootstrap.kubernetes.io/token", "data": encoded});
    Object::new("v1", "Secret", "kube-system", &format!("bootstrap-token-{}", token.id), rest)
}
