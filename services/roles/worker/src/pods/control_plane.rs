//! API server, controller manager and scheduler of a node, with kubeadm 1.36's
//! flags. Each sees the keys that it needs and no others.

use super::{Files, PodsError, Secrets, Target, authentication, etcd, tunnel};
use crate::names;
use base64::{Engine, engine::general_purpose::STANDARD};
use oi_cri::{ContainerSpec, FileOp, Mount, PodSpec, PortMapping};
use oi_domain::{Ca, ENCRYPTION_KEY, SERVICE_ACCOUNT, own_issuer};
use oi_events::{Component, PortUse};
use oi_pki::{kubeconfig_with_files, public_key_pem};

/// The pod's name among a node's pods.
pub const POD: &str = "control-plane";
/// Containers, in the order of their start.
pub const API_SERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
const ETC: &str = "/etc/kubernetes";

/// Secrets are encrypted at rest with XSalsa20-Poly1305; what was stored before
/// stays readable.
fn encryption_config(secret: &[u8]) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [\"secrets\"]\n  providers:\n  - secretbox:\n      keys:\n      - name: key1\n        secret: {}\n  - identity: {{}}\n",
        STANDARD.encode(secret)
    )
}

/// Not kubeadm's (15, 10 and 2 s): the API server beside it may be replaced, or its machine
/// be slow, for longer than 10 s, and who cannot renew ends. Fewer writes leave a machine
/// with many control planes more of its time.
const LEADER_ELECTION: [&str; 4] = [
    "--leader-elect=true",
    "--leader-elect-lease-duration=30s",
    "--leader-elect-renew-deadline=24s",
    "--leader-elect-retry-period=5s",
];

/// Who did what to what, without contents; reads of no interest are left out.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [\"RequestReceived\"]
rules:
- level: None
  nonResourceURLs: [\"/healthz*\", \"/livez*\", \"/readyz*\", \"/version\"]
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Metadata
";

/// The directory with the API server's files, on the hypervisor.
pub fn api_server_dir(target: &Target) -> String {
    format!("{}/{API_SERVER}", target.dir())
}

/// Pod and files of the components that the node is to run; what others left is removed.
/// Serving and client certificates are read again by the components themselves, and so
/// are authorities, but for etcd's.
pub fn pod(target: &Target, secrets: &Secrets<'_>) -> Result<(PodSpec, Vec<FileOp>), PodsError> {
    let port = target.port(PortUse::ApiServer)?;
    let mut pod = target.pod(POD);
    let mut operations = Vec::new();
    // The port outside is the port inside: what the API server says of itself holds.
    pod.ports = vec![PortMapping::tcp(port, port)];
    for component in Component::ALL {
        if !target.node.components.contains(&component) {
            let path = format!("{}/{}", target.dir(), component.as_str());
            operations.push(FileOp::Remove { path });
            continue;
        }
        let (container, ops) = match component {
            Component::ApiServer => api_server(target, secrets, port)?,
            Component::ControllerManager => controller_manager(target, secrets, port)?,
            Component::Scheduler => scheduler(target, secrets, port)?,
        };
        pod.containers.push(container);
        operations.extend(ops);
    }
    if let Some((link, files)) = tunnel::link(target, secrets)? {
        pod.containers.push(link);
        operations.extend(files);
    }
    operations.push(FileOp::MakeDir { path: pod.log_directory.clone(), mode: 0o700 });
    Ok((pod, operations))
}

type Part = (ContainerSpec, Vec<FileOp>);

fn part(
    target: &Target,
    component: Component,
    command: Vec<String>,
    mounts: Vec<Mount>,
    files: Files,
) -> Part {
    let (operations, files_hash) = files.finish();
    let name = component.as_str();
    // Memory rather than processor time is what many control planes on a machine lack.
    let env = [("GOGC".to_owned(), "50".to_owned())].into();
    let container = ContainerSpec {
        env,
        name: name.to_owned(),
        image: names::kubernetes_image(name, target.node.versions.of(component)),
        command: [vec![name.to_owned()], command].concat(),
        mounts,
        files_hash,
        ..ContainerSpec::default()
    };
    (container, operations)
}

fn api_server(target: &Target, secrets: &Secrets<'_>, port: u16) -> Result<Part, PodsError> {
    let dir = api_server_dir(target);
    let audit = format!("{}/audit", target.dir());
    let mut files = Files::new(dir.clone());
    files.reread("pki/ca.crt", secrets.trusted(Ca::Kubernetes)?);
    files.reread("pki/front-proxy-ca.crt", secrets.trusted(Ca::FrontProxy)?);
    files.at_start("pki/etcd-ca.crt", secrets.trusted(Ca::Etcd)?);
    for name in
        ["apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client"]
    {
        files.reread(&format!("pki/{name}.crt"), secrets.certificate(name)?);
        files.reread(&format!("pki/{name}.key"), secrets.private_key(name)?);
    }
    files.at_start("pki/sa.key", secrets.private_key(SERVICE_ACCOUNT)?);
    files.at_start("pki/sa.pub", public_key_pem(secrets.public(SERVICE_ACCOUNT)?).into_bytes());
    let encryption = encryption_config(&secrets.private(ENCRYPTION_KEY)?);
    files.at_start("encryption.yaml", encryption.into_bytes());
    files.at_start("audit-policy.yaml", AUDIT_POLICY.into());
    files.directory(audit.clone());
    let etcd = etcd::servers(target)?;
    let c = &target.cluster;
    let pki = format!("{ETC}/pki");
    let mut command = vec![
        format!("--advertise-address={}", target.hypervisor.spec.address),
        "--allow-privileged=true".to_owned(),
        "--audit-log-maxage=30".to_owned(),
        "--audit-log-maxbackup=10".to_owned(),
        "--audit-log-maxsize=100".to_owned(),
        "--audit-log-path=/var/log/kubernetes/audit/audit.log".to_owned(),
        format!("--audit-policy-file={ETC}/audit-policy.yaml"),
        "--authorization-mode=Node,RBAC".to_owned(),
        format!("--client-ca-file={pki}/ca.crt"),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--enable-bootstrap-token-auth=true".to_owned(),
        format!("--encryption-provider-config={ETC}/encryption.yaml"),
        format!("--etcd-cafile={pki}/etcd-ca.crt"),
        format!("--etcd-certfile={pki}/apiserver-etcd-client.crt"),
        format!("--etcd-keyfile={pki}/apiserver-etcd-client.key"),
        format!("--etcd-servers={etcd}"),
        format!("--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt"),
        format!("--kubelet-client-key={pki}/apiserver-kubelet-client.key"),
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname".to_owned(),
        format!("--proxy-client-cert-file={pki}/front-proxy-client.crt"),
        format!("--proxy-client-key-file={pki}/front-proxy-client.key"),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        format!("--requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        format!("--secure-port={port}"),
        format!("--service-account-issuer={}", own_issuer(&c.spec.dns_domain)),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        format!("--service-cluster-ip-range={}", c.spec.service_cidr),
        format!("--tls-cert-file={pki}/apiserver.crt"),
        format!("--tls-private-key-file={pki}/apiserver.key"),
    ];
    if c.addons.as_ref().is_some_and(|i| i.is_known_to(&target.node)) {
        command.extend([
            // oi says where the API is: at the ingresses, which worker nodes can reach.
            "--endpoint-reconciler-type=none".to_owned(),
            // Serving certificates of kubelets are approved for the right node only.
            format!("--kubelet-certificate-authority={pki}/ca.crt"),
            format!("--service-account-jwks-uri={}/openid/v1/jwks", own_issuer(&c.spec.dns_domain)),
        ]);
    }
    if !target.node.issuers.is_empty() {
        // Not to be read again: one new issuer that does not answer would keep the old ones.
        let config = authentication::config(&target.node.issuers);
        files.at_start("authentication.yaml", config.into_bytes());
        command.push(format!("--authentication-config={ETC}/authentication.yaml"));
    }
    if tunnel::has_link(c, &target.name, &target.node) {
        // Through the tunnel it reaches pods, but no addresses of Services.
        command.push("--enable-aggregator-routing=true".to_owned());
    }
    let audit_mount = Mount::writable(audit, "/var/log/kubernetes/audit");
    Ok(part(
        target,
        Component::ApiServer,
        command,
        vec![Mount::read_only(dir, ETC), audit_mount],
        files,
    ))
}

/// A kubeconfig for a component in the same pod, with its certificate in files. The
/// component starts anew with another one: by itself it would go on with an open
/// connection, and be refused on it once the old one has ended.
fn component_kubeconfig(
    files: &mut Files,
    secrets: &Secrets<'_>,
    credential: &str,
    user: &str,
    port: u16,
) -> Result<(), PodsError> {
    let cluster = secrets.target.cluster_name.as_str();
    let config = kubeconfig_with_files(
        cluster,
        &format!("https://127.0.0.1:{port}"),
        &format!("{ETC}/pki/ca.crt"),
        user,
        &format!("{ETC}/pki/client.crt"),
        &format!("{ETC}/pki/client.key"),
    );
    files.at_start("kubeconfig", config.into_bytes());
    files.at_start("pki/client.crt", secrets.certificate(credential)?);
    files.at_start("pki/client.key", secrets.private_key(credential)?);
    Ok(())
}

fn controller_manager(
    target: &Target,
    secrets: &Secrets<'_>,
    port: u16,
) -> Result<Part, PodsError> {
    let dir = format!("{}/{CONTROLLER_MANAGER}", target.dir());
    let mut files = Files::new(dir.clone());
    files.at_start("pki/ca.crt", secrets.trusted(Ca::Kubernetes)?);
    let signs = Ca::Kubernetes.name();
    files.at_start("pki/signing-ca.crt", secrets.certificate(signs)?);
    files.at_start("pki/signing-ca.key", secrets.private_key(signs)?);
    files.at_start("pki/front-proxy-ca.crt", secrets.trusted(Ca::FrontProxy)?);
    files.at_start("pki/sa.key", secrets.private_key(SERVICE_ACCOUNT)?);
    let user = "system:kube-controller-manager";
    component_kubeconfig(&mut files, secrets, "controller-manager", user, port)?;
    let c = &target.cluster;
    let mut command = vec![
        "--allocate-node-cidrs=true".to_owned(),
        format!("--authentication-kubeconfig={ETC}/kubeconfig"),
        format!("--authorization-kubeconfig={ETC}/kubeconfig"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--client-ca-file={ETC}/pki/ca.crt"),
        format!("--cluster-cidr={}", c.spec.pod_cidr),
        format!("--cluster-name={}", target.cluster_name),
        format!("--cluster-signing-cert-file={ETC}/pki/signing-ca.crt"),
        format!("--cluster-signing-key-file={ETC}/pki/signing-ca.key"),
        "--controllers=*,bootstrapsigner,tokencleaner".to_owned(),
        // Not kubeadm's: with the defaults (20 and 30) its own limit keeps a new cluster
        // waiting for 5 s. The API server guards itself by priority and fairness.
        "--kube-api-burst=400".to_owned(),
        "--kube-api-qps=200".to_owned(),
        format!("--kubeconfig={ETC}/kubeconfig"),
        format!("--requestheader-client-ca-file={ETC}/pki/front-proxy-ca.crt"),
        format!("--root-ca-file={ETC}/pki/ca.crt"),
        format!("--service-account-private-key-file={ETC}/pki/sa.key"),
        format!("--service-cluster-ip-range={}", c.spec.service_cidr),
        "--use-service-account-credentials=true".to_owned(),
    ];
    command.extend(LEADER_ELECTION.map(str::to_owned));
    Ok(part(target, Component::ControllerManager, command, vec![Mount::read_only(dir, ETC)], files))
}

fn scheduler(target: &Target, secrets: &Secrets<'_>, port: u16) -> Result<Part, PodsError> {
    let dir = format!("{}/{SCHEDULER}", target.dir());
    let mut files = Files::new(dir.clone());
    let user = "system:kube-scheduler";
    files.at_start("pki/ca.crt", secrets.trusted(Ca::Kubernetes)?);
    component_kubeconfig(&mut files, secrets, "scheduler", user, port)?;
    let mut command = vec![
        format!("--authentication-kubeconfig={ETC}/kubeconfig"),
        format!("--authorization-kubeconfig={ETC}/kubeconfig"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--kubeconfig={ETC}/kubeconfig"),
    ];
    command.extend(LEADER_ELECTION.map(str::to_owned));
    Ok(part(target, Component::Scheduler, command, vec![Mount::read_only(dir, ETC)], files))
}
