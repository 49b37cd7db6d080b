//! flannel: the network of pods, VXLAN between nodes.

use super::join::bind;
use super::proxy::digest;
use super::{Object, Subject};
use crate::names::{FLANNEL_CNI_IMAGE, FLANNEL_IMAGE};
use serde_json::{Value, json};

const NAMESPACE: &str = "kube-flannel";
const NAME: &str = "flannel";

fn cni() -> String {
    json!({
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
    .to_string()
}

fn net(subject: &Subject) -> String {
    json!({
        "Network": subject.cluster.spec.pod_cidr,
        "EnableNFTables": false,
        "Backend": {"Type": "vxlan"},
    })
    .to_string()
}

fn mount(name: &str, path: &str) -> Value {
    json!({"name": name, "mountPath": path})
}

fn host_path(name: &str, path: &str, kind: &str) -> Value {
    json!({"name": name, "hostPath": {"path": path, "type": kind}})
}

pub fn objects(subject: &Subject) -> Vec<Object> {
    let (cni, net) = (cni(), net(subject));
    let changed = digest(&format!("{cni}{net}"));
    let labels = json!({"app": NAME, "tier": "node"});
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let mut env = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        json!({"name": "EVENT_QUEUE_DEPTH", "value": "5000"}),
    ];
    // It comes before Services work.
    env.extend(subject.api_environment());
    let copy = |name: &str, image: &str, from: &str, to: &str, mounts: Value| json!({"name": name, "image": image, "command": ["cp"], "args": ["-f", from, to], "volumeMounts": mounts});
    let init = json!([
        copy(
            "install-cni-plugin",
            FLANNEL_CNI_IMAGE,
            "/flannel",
            "/opt/cni/bin/flannel",
            json!([mount("cni-plugin", "/opt/cni/bin")])
        ),
        copy(
            "install-cni",
            FLANNEL_IMAGE,
            "/etc/kube-flannel/cni-conf.json",
            "/etc/cni/net.d/10-flannel.conflist",
            json!([mount("cni", "/etc/cni/net.d"), mount("config", "/etc/kube-flannel")])
        ),
    ]);
    let mut args = vec!["--ip-masq".to_owned(), "--kube-subnet-mgr".to_owned()];
    if subject.cluster.tunnel.is_some() {
        args.push(format!("--iface={}", oi_tunnel::INTERFACE));
    }
    let container = json!({
        "name": "kube-flannel",
        "image": FLANNEL_IMAGE,
        "command": ["/opt/bin/flanneld"],
        "args": args,
        "env": env,
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": {"privileged": false, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [
            mount("run", "/run/flannel"), mount("config", "/etc/kube-flannel"),
            mount("xtables-lock", "/run/xtables.lock"),
        ],
    });
    let spec = json!({
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"oi/config": changed}},
            "spec": {
                "initContainers": init,
                "containers": [container],
                "hostNetwork": true,
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "priorityClassName": "system-node-critical",
                "serviceAccountName": NAME,
                "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
                "volumes": [
                    host_path("run", "/run/flannel", "DirectoryOrCreate"),
                    host_path("cni-plugin", "/opt/cni/bin", "DirectoryOrCreate"),
                    host_path("cni", "/etc/cni/net.d", "DirectoryOrCreate"),
                    host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
                    {"name": "config", "configMap": {"name": "kube-flannel-cfg"}},
                ],
            },
        },
    });
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ]);
    let account = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]);
    let data = json!({"cni-conf.json": cni, "net-conf.json": net});
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        Object::new("v1", "Namespace", "", NAMESPACE, json!({}))
            .labelled("pod-security.kubernetes.io/enforce", "privileged"),
        Object::new("v1", "ServiceAccount", NAMESPACE, NAME, json!({})),
        Object::new(rbac, "ClusterRole", "", NAME, json!({"rules": rules})),
        bind(NAME, NAME, account),
        Object::new("v1", "ConfigMap", NAMESPACE, "kube-flannel-cfg", json!({"data": data})),
        Object::new("apps/v1", "DaemonSet", NAMESPACE, "kube-flannel-ds", json!({"spec": spec})),
    ]
}
