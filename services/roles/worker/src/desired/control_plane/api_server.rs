//! The API server.

use super::{API_SERVER, Described, ETC, authentication, container};
use crate::desired::{DesiredError, Files, Mount, NodeContext, Secrets, etcd, names};
use crate::tunnel::pods as tunnel;
use base64::{Engine, engine::general_purpose::STANDARD};
use oi_domain::{Ca, ENCRYPTION_KEY, SERVICE_ACCOUNT, own_issuer};
use oi_events::Component;
use oi_pki::public_key_pem;

/// Records who did what to which object, without contents, and leaves out what nobody reads.
const AUDIT_POLICY: &str = include_str!("audit-policy.yaml");

/// Encrypts Secrets with XSalsa20-Poly1305. Secrets that were stored before stay readable.
fn encryption_config(secret: &[u8]) -> String {
    include_str!("encryption.yaml").replace("$SECRET", &STANDARD.encode(secret))
}

/// The directory of the API server's files on the hypervisor.
pub fn dir(ctx: &NodeContext) -> String {
    format!("{}/{API_SERVER}", ctx.dir())
}

pub fn describe(
    ctx: &NodeContext,
    secrets: &Secrets<'_>,
    port: u16,
) -> Result<Described, DesiredError> {
    let audit = format!("{}/{}", ctx.dir(), names::AUDIT);
    let mut files = files(ctx, secrets)?;
    files.directory(audit.clone());
    let mut flags = fixed_flags(ctx, port)?;
    if ctx.cluster.addons.as_ref().is_some_and(|addons| addons.is_known_to(&ctx.node)) {
        flags.extend(worker_flags(ctx));
    }
    if !ctx.node.issuers.is_empty() {
        // Read only at the start: one new issuer that does not answer would make a reload keep
        // the old ones.
        let config = authentication::config(&ctx.node.issuers);
        files.at_start("authentication.yaml", config.into_bytes());
        flags.push(format!("--authentication-config={ETC}/authentication.yaml"));
    }
    if tunnel::has_link(&ctx.cluster, &ctx.name, &ctx.node) {
        // The tunnel reaches addresses of pods, but none of Services.
        flags.push("--enable-aggregator-routing=true".to_owned());
    }
    let audit = Mount::writable(audit, "/var/log/kubernetes/audit");
    let mounts = vec![Mount::read_only(dir(ctx), ETC), audit];
    Ok(container(ctx, Component::ApiServer, flags, mounts, files))
}

fn files(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<Files, DesiredError> {
    let mut files = Files::new(dir(ctx));
    files.reloaded("pki/ca.crt", secrets.trusted(Ca::Kubernetes)?);
    files.reloaded("pki/front-proxy-ca.crt", secrets.trusted(Ca::FrontProxy)?);
    files.at_start("pki/etcd-ca.crt", secrets.trusted(Ca::Etcd)?);
    for name in
        ["apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "front-proxy-client"]
    {
        files.reloaded(&format!("pki/{name}.crt"), secrets.certificate(name)?);
        files.reloaded(&format!("pki/{name}.key"), secrets.private_key(name)?);
    }
    files.at_start("pki/sa.key", secrets.private_key(SERVICE_ACCOUNT)?);
    files.at_start("pki/sa.pub", public_key_pem(secrets.public(SERVICE_ACCOUNT)?).into_bytes());
    let encryption = encryption_config(&secrets.private(ENCRYPTION_KEY)?);
    files.at_start("encryption.yaml", encryption.into_bytes());
    files.at_start("audit-policy.yaml", AUDIT_POLICY.into());
    Ok(files)
}

/// The flags of every API server, in alphabetical order.
fn fixed_flags(ctx: &NodeContext, port: u16) -> Result<Vec<String>, DesiredError> {
    let pki = format!("{ETC}/pki");
    let etcd = etcd::servers(ctx)?;
    let cluster = &ctx.cluster;
    Ok(vec![
        format!("--advertise-address={}", ctx.hypervisor.spec.address),
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
        format!("--service-account-issuer={}", own_issuer(&cluster.spec.dns_domain)),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        format!("--service-cluster-ip-range={}", cluster.spec.service_cidr),
        format!("--tls-cert-file={pki}/apiserver.crt"),
        format!("--tls-private-key-file={pki}/apiserver.key"),
    ])
}

/// The flags of API servers that were made for a cluster with worker nodes.
fn worker_flags(ctx: &NodeContext) -> [String; 3] {
    let issuer = own_issuer(&ctx.cluster.spec.dns_domain);
    [
        // The add-on reconciler publishes the endpoints: the ingresses, which workers reach.
        "--endpoint-reconciler-type=none".to_owned(),
        // Kubelets' serving certificates are approved for the right node only.
        format!("--kubelet-certificate-authority={ETC}/pki/ca.crt"),
        format!("--service-account-jwks-uri={issuer}/openid/v1/jwks"),
    ]
}
