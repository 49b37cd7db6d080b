#![allow(clippy::unwrap_used)]
use super::*;
use oi_events::*;

const NONE: BTreeSet<ClusterName> = BTreeSet::new();

fn identity(organizations: &[&str]) -> Result<Identity, Rejected> {
    Identity::named("alice", organizations.iter().copied())
}

#[test]
fn a_certificate_without_a_role_or_a_name_may_nothing() {
    assert!(identity(&[]).is_err());
    assert!(identity(&["admin", "system:masters"]).is_err());
    assert!(Identity::named("", ["oi:admin"].into_iter()).is_err());
    assert!(Identity::named("system:worker", ["oi:admin"].into_iter()).is_err());
}

/// Clusters and whose they are.
pub(crate) fn state(clusters: &[(&str, Option<&str>)]) -> State {
    let mut state = State::default();
    for (cluster, tenant) in clusters {
        let Command::Cluster(ClusterCommand::CreateCluster(c)) = create(cluster).command else {
            panic!()
        };
        let (uid, credentials) = (ClusterUid(uuid::Uuid::nil()), Vec::new());
        let created = ClusterCreatedV1 { name: c.name.clone(), uid, spec: c.spec, credentials };
        oi_domain::evolve(&mut state, &created.into());
        let tenant = tenant.map(|t| t.parse().unwrap());
        oi_domain::evolve(&mut state, &TenantSetV1 { cluster: c.name, tenant }.into());
    }
    state
}

fn delete(name: &str) -> Command {
    DeleteClusterV2 { name: name.parse().unwrap(), forget_orphans: false }.into()
}

fn create(name: &str) -> CommandEnvelope {
    let spec = ClusterSpec {
        kubernetes_version: "v1.36.3".parse().unwrap(),
        pod_cidr: String::new(),
        service_cidr: String::new(),
        dns_domain: String::new(),
        extra_sans: Vec::new(),
    };
    let command = CreateClusterV1 { name: name.parse().unwrap(), spec };
    CommandEnvelope::new(CommandId(uuid::Uuid::nil()), "x", 0, command)
}

#[test]
fn a_tenant_touches_only_what_is_recorded_as_its_own() {
    let state = state(&[
        ("acme-blue", Some("acme")),
        ("acme-eu-x", Some("acme-eu")),
        ("acme-y", None),
        ("other", Some("other")),
    ]);
    let tenant = identity(&["oi:operator", "oi:tenant:acme"]).unwrap();
    assert!(tenant.may(&state, &NONE, &delete("acme-blue")).is_ok());
    for other in ["acme", "acmeblue", "other", "acme-eu-x", "acme-y"] {
        assert!(tenant.may(&state, &NONE, &delete(other)).is_err(), "{other}");
        assert!(!tenant.sees(&state, other), "{other}");
    }
    // Of its own that are not there it is told so.
    let absent = tenant.may(&state, &NONE, &delete("acme-none")).unwrap_err();
    assert_eq!(absent.code, unknown(&"acme-none".parse().unwrap()).code);
    let clone = |name: &str, source: &str| {
        let (name, source) = (name.parse().unwrap(), source.parse().unwrap());
        CloneClusterV1 { name, source, backup: BackupId(uuid::Uuid::nil()) }.into()
    };
    assert!(tenant.may(&state, &NONE, &clone("acme-copy", "acme-blue")).is_ok());
    assert!(tenant.may(&state, &NONE, &clone("acme-copy", "other")).is_err());
    assert!(tenant.may(&state, &NONE, &clone("copy", "acme-blue")).is_err());
    for (job, may) in [
        ("node.acme-blue.cp-1.7.etcd", true),
        ("node.other.cp-1.7.etcd", false),
        ("hypervisor.acme-x.7.probe", false),
        ("", false),
    ] {
        let retry = RetryJobV1 { job: JobId(job.to_owned()) }.into();
        assert_eq!(tenant.may(&state, &NONE, &retry).is_ok(), may, "{job}");
    }
}

#[test]
fn what_a_tenant_creates_is_its_own_and_named_so() {
    let state = State::default();
    let tenant = identity(&["oi:operator", "oi:tenant:acme"]).unwrap();
    let asked = tenant.asks(&state, create("acme-blue")).unwrap().command;
    let Command::Tenant(TenantCommand::CreateClusterForTenant(c)) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(c.tenant.as_str(), "acme");
    for name in ["acme", "blue", "acmeblue"] {
        assert!(tenant.asks(&state, create(name)).is_err(), "{name}");
    }
    let foreign = CreateClusterForTenantV1 { tenant: "other".parse().unwrap(), ..c };
    assert!(tenant.may(&state, &NONE, &foreign.clone().into()).is_err());
    let operator = identity(&["oi:operator"]).unwrap();
    assert!(operator.may(&state, &NONE, &foreign.into()).is_ok());
    let plain = operator.asks(&state, create("acme-blue")).unwrap();
    assert_eq!(plain, create("acme-blue"), "nobody's");
}

#[test]
fn a_tenant_neither_chooses_hypervisors_nor_whose_a_cluster_is() {
    let state = state(&[("acme-blue", Some("acme"))]);
    let tenant = identity(&["oi:admin", "oi:tenant:acme"]).unwrap();
    let add = |hypervisor: Option<&str>| {
        let hypervisor = hypervisor.map(|h| h.parse().unwrap());
        let (cluster, name) = ("acme-blue".parse().unwrap(), "cp-1".parse().unwrap());
        AddNodeV1 { cluster, name, role: Role::ControlPlane, hypervisor }.into()
    };
    assert!(tenant.may(&state, &NONE, &add(None)).is_ok());
    assert!(tenant.may(&state, &NONE, &add(Some("beside-the-victim"))).is_err());
    let set = SetTenantV1 { cluster: "acme-blue".parse().unwrap(), tenant: None };
    let operator = identity(&["oi:operator"]).unwrap();
    assert!(operator.may(&state, &NONE, &set.clone().into()).is_err());
    assert!(tenant.may(&state, &NONE, &set.into()).is_err());
    let Command::Cluster(ClusterCommand::CreateCluster(c)) = create("acme-new").command else {
        panic!()
    };
    let (file, sha256) = ("etcd.db".to_owned(), Hash::ZERO);
    let import = ImportClusterV1 { name: c.name, spec: c.spec, file, sha256 };
    assert!(tenant.may(&state, &NONE, &import.into()).is_err());
}

#[test]
fn a_certificate_of_two_tenants_or_of_a_malformed_one_is_nobodys() {
    assert!(identity(&["oi:operator", "oi:tenant:a", "oi:tenant:b"]).is_err());
    assert!(identity(&["oi:operator", "oi:tenant:A.B"]).is_err());
    assert!(identity(&["oi:operator", "oi:tenant:"]).is_err());
}

#[test]
fn each_role_may_what_it_is_for() {
    let state = State::default();
    let cluster = UndeleteClusterV1 { name: "a".parse().unwrap() }.into();
    let hypervisor = ForgetOrphansV1 { name: "a".parse().unwrap() }.into();
    let oi_only = RetryJobV1 { job: JobId("hypervisor.a.7.probe".to_owned()) }.into();
    for (role, clusters, hypervisors) in
        [("oi:viewer", false, false), ("oi:operator", true, false), ("oi:admin", true, true)]
    {
        let who = identity(&[role]).unwrap();
        assert_eq!(who.may(&state, &NONE, &cluster).is_ok(), clusters, "{role}");
        assert_eq!(who.may(&state, &NONE, &hypervisor).is_ok(), hypervisors, "{role}");
        assert_eq!(who.may(&state, &NONE, &oi_only).is_ok(), hypervisors, "{role}");
    }
    assert_eq!(identity(&["oi:viewer"]).unwrap().actor("bob@host"), "alice:bob@host");
}

#[test]
fn nobody_may_what_is_for_oi_itself() {
    let seen =
        Observation::HypervisorUnreachable { name: "a".parse().unwrap(), reason: "x".to_owned() };
    let report = ReportObservationV1 { observation: seen }.into();
    assert!(identity(&["oi:admin"]).unwrap().may(&State::default(), &NONE, &report).is_err());
}

#[test]
fn without_a_certificate_nobody_gets_in_where_certificates_are_asked_for() {
    let request = Request::new(());
    let refused = Identity::of(&request, Asks::ForCertificates).unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert!(Identity::of(&request, Asks::Nobody).unwrap().needs_all(AccessRole::Admin).is_ok());
}

#[test]
fn a_plan_refuses_what_would_be_refused_of_a_cluster_that_it_creates() {
    let state = State::default();
    let tenant = identity(&["oi:operator", "oi:tenant:acme"]).unwrap();
    let envelope = |command: Command| CommandEnvelope { command, ..create("acme-blue") };
    let add = |hypervisor: Option<&str>| {
        let hypervisor = hypervisor.map(|h| h.parse().unwrap());
        let (cluster, name) = ("acme-blue".parse().unwrap(), "cp-1".parse().unwrap());
        envelope(AddNodeV1 { cluster, name, role: Role::ControlPlane, hypervisor }.into())
    };
    let plan = |next| tenant.asks_all(&state, vec![create("acme-blue"), next]);
    assert!(plan(add(None)).is_ok());
    assert!(plan(add(Some("beside-the-victim"))).is_err());
    let set = SetTenantV1 { cluster: "acme-blue".parse().unwrap(), tenant: None };
    assert!(plan(envelope(set.into())).is_err());
    let seen =
        Observation::HypervisorUnreachable { name: "a".parse().unwrap(), reason: "x".to_owned() };
    assert!(plan(envelope(ReportObservationV1 { observation: seen }.into())).is_err());
    let operator = identity(&["oi:operator"]).unwrap();
    let set = SetTenantV1 { cluster: "acme-blue".parse().unwrap(), tenant: None };
    let planned = operator.asks_all(&state, vec![create("acme-blue"), envelope(set.into())]);
    assert!(planned.is_err(), "an administrator's");
}

#[test]
fn the_same_name_in_two_tenants_is_two_accounts() {
    let account = |organizations: &[&str]| identity(organizations).unwrap().account();
    let acme = account(&["oi:operator", "oi:tenant:acme"]);
    assert_ne!(acme, account(&["oi:operator", "oi:tenant:other"]));
    assert_ne!(acme, account(&["oi:operator"]));
    assert_eq!(acme, account(&["oi:viewer", "oi:tenant:acme"]), "whatever its role");
}
