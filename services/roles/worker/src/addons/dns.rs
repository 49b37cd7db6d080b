//! CoreDNS: gives Services names.

use super::join::bind;
use super::proxy::digest;
use super::{Object, Subject};
use crate::names::COREDNS_IMAGE;
use oi_domain::service_ip;
use serde_json::json;

const SYSTEM: &str = "kube-system";
const NAME: &str = "coredns";
const APP: &str = "kube-dns";

fn corefile(domain: &str) -> String {
    let plugins = [
        "errors",
        "health {\n        lameduck 5s\n    }",
        "ready",
        &format!(
            "kubernetes {domain} in-addr.arpa ip6.arpa {{\n        pods insecure\n        fallthrough in-addr.arpa ip6.arpa\n        ttl 30\n    }}"
        ),
        "prometheus :9153",
        "forward . /etc/resolv.conf {\n        max_concurrent 1000\n    }",
        "cache 30",
        "loop",
        "reload",
        "loadbalance",
    ]
    .join("\n    ");
    format!(".:53 {{\n    {plugins}\n}}\n")
}

/// One for one node, two for a few, and one more for each sixteen: a small cluster pays for
/// no spare, a large one has enough.
fn replicas(worker_nodes: u64) -> u64 {
    if worker_nodes <= 1 { 1 } else { worker_nodes.div_ceil(16).clamp(2, 30) }
}

pub fn objects(subject: &Subject, worker_nodes: u64) -> Vec<Object> {
    let Some(address) = service_ip(&subject.cluster.spec.service_cidr, 10) else {
        return Vec::new();
    };
    let corefile = corefile(&subject.cluster.spec.dns_domain);
    let labels = json!({"k8s-app": APP});
    let probe = |path: &str, port: u16, delay: u16| {
        json!({
            "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
            "initialDelaySeconds": delay, "timeoutSeconds": 5, "failureThreshold": 5,
        })
    };
    let container = json!({
        "name": NAME,
        "image": COREDNS_IMAGE,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "livenessProbe": probe("/health", 8080, 60),
        "readinessProbe": probe("/ready", 8181, 0),
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": 9153, "name": "metrics", "protocol": "TCP"},
        ],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": true}],
    });
    let apart = json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 100,
        "podAffinityTerm": {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"},
    }]}});
    let deployment = json!({
        "replicas": replicas(worker_nodes),
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "template": {
            "metadata": {"labels": labels, "annotations": {"oi/config": digest(&corefile)}},
            "spec": {
                "affinity": apart,
                "containers": [container],
                "dnsPolicy": "Default",
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "priorityClassName": "system-cluster-critical",
                "serviceAccountName": NAME,
                "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
                "volumes": [{"name": "config", "configMap": {"name": NAME}}],
            },
        },
    });
    let service = json!({
        "clusterIP": address.to_string(),
        "selector": labels,
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
        ],
    });
    let watches = json!([
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]);
    let account = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": SYSTEM}]);
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        Object::new("v1", "ServiceAccount", SYSTEM, NAME, json!({})),
        Object::new(rbac, "ClusterRole", "", "system:coredns", json!({"rules": watches})),
        bind("system:coredns", "system:coredns", account),
        Object::new("v1", "ConfigMap", SYSTEM, NAME, json!({"data": {"Corefile": corefile}})),
        Object::new("v1", "Service", SYSTEM, APP, json!({"spec": service}))
            .labelled("k8s-app", APP)
            .labelled("kubernetes.io/cluster-service", "true")
            .labelled("kubernetes.io/name", "CoreDNS"),
        Object::new("apps/v1", "Deployment", SYSTEM, NAME, json!({"spec": deployment}))
            .labelled("k8s-app", APP),
    ]
}

#[cfg(test)]
mod tests {
    use super::{corefile, replicas};

    #[test]
    fn there_are_as_many_as_nodes_need() {
        assert_eq!([0, 1, 2, 16, 33, 10_000].map(replicas), [1, 1, 2, 2, 3, 30]);
    }

    #[test]
    fn the_corefile_serves_the_clusters_domain() {
        let text = corefile("example.org");
        assert!(text.contains("kubernetes example.org in-addr.arpa"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
    }
}
