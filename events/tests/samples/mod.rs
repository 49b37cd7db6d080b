//! One value of each kind of record, and one for each variant of an enum within.
//! Never edit a sample that a release has written: add one.

use oi_events::*;
use uuid::Uuid;

/// The text as a typed name.
pub fn name<T: std::str::FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0198_7654_3210_7abc_8def_0000_0000_0000 + n)
}

fn register(tls: bool) -> RegisterHypervisorV1 {
    let file = |f: &str| format!("/etc/oi/tls/{f}.pem");
    RegisterHypervisorV1 {
        name: name("hv-1"),
        cri_endpoint: if tls { "tcp://[fd00::1]:2376" } else { "unix:///run/hv-1.sock" }.to_owned(),
        tls: tls.then(|| TlsFiles {
            ca_file: file("ca"),
            certificate_file: file("client"),
            key_file: file("client-key"),
        }),
        public: !tls,
        address: if tls { "fd00::1" } else { "10.77.0.2" }.parse().unwrap(),
        port_low: 30000,
        port_high: 30099,
        data_dir: "/var/lib/oi".to_owned(),
        max_nodes: tls.then_some(300),
    }
}

fn credential(name: &str) -> Credential {
    Credential {
        name: name.to_owned(),
        public: vec![0x30, 0x82, 1],
        sealed: vec![0xee; 5],
        not_after_ms: 1_800_000_000_000,
    }
}

fn snapshot() -> SnapshotV1 {
    SnapshotV1 {
        position: 17,
        object: "clusters/1/2.snapshot".to_owned(),
        bytes: 20_512,
        sha256: Hash([0xcd; 32]),
    }
}

fn job() -> JobId {
    JobId("node.test.cp-1.7.etcd".to_owned())
}

fn rotate(step: RotationStep) -> Command {
    RotateCaV1 { name: name("test"), step }.into()
}

fn advanced(stage: RotationStage) -> Event {
    RotationAdvancedV1 { cluster: name("test"), stage, generation: Generation(9) }.into()
}

/// Each command under the name of its variant, empty where there is but one.
pub fn commands() -> Vec<(&'static str, Command)> {
    let report = |result| ReportJobV1 { job: job(), result, took_ms: 1234 }.into();
    let observed = |observation| ReportObservationV1 { observation }.into();
    let change = |change| ChangeUpgradeV1 { name: name("test"), change }.into();
    let add = |role, hypervisor| {
        AddNodeV1 { cluster: name("test"), name: name("cp-1"), role, hypervisor }.into()
    };
    vec![
        ("", register(false).into()),
        ("tls", register(true).into()),
        ("", CordonHypervisorV1 { name: name("hv-1"), cordoned: true }.into()),
        (
            "",
            CreateClusterV1 {
                name: name("test"),
                kubernetes_version: name("v1.36.3"),
                pod_cidr: "10.244.0.0/16".to_owned(),
                service_cidr: "10.96.0.0/12".to_owned(),
                dns_domain: "cluster.local".to_owned(),
                extra_sans: vec!["api.example.org".to_owned(), "192.0.2.1".to_owned()],
            }
            .into(),
        ),
        ("", DeleteClusterV2 { name: name("test"), forget_orphans: false }.into()),
        ("abandon", DeleteClusterV2 { name: name("test"), forget_orphans: true }.into()),
        ("", add(Role::ControlPlane, Some(name("hv-1")))),
        ("ingress", add(Role::ControlPlaneIngress, None)),
        ("", RemoveNodeV1 { cluster: name("test"), name: name("cp-1") }.into()),
        ("", report(JobResult::Succeeded)),
        ("failed", report(JobResult::Failed("exit code 1".to_owned()))),
        ("abandoned", report(JobResult::DeadLettered)),
        (
            "",
            observed(Observation::HypervisorReachable {
                name: name("hv-1"),
                runtime: "containerd v2.3.7".to_owned(),
            }),
        ),
        (
            "unreachable",
            observed(Observation::HypervisorUnreachable {
                name: name("hv-1"),
                reason: "connection refused".to_owned(),
            }),
        ),
        (
            "restarted",
            observed(Observation::PodRestarted {
                cluster: name("test"),
                node: name("cp-1"),
                generation: Generation(7),
                what: "control-plane/kube-apiserver".to_owned(),
                reason: "exited with code 137".to_owned(),
            }),
        ),
        ("", RetryJobV1 { job: job() }.into()),
        ("", CancelJobV1 { job: job() }.into()),
        ("", RaiseFeatureLevelV1 { level: 2 }.into()),
        ("", SetAddonsV1 { cluster: name("test"), addons: addons() }.into()),
        (
            "",
            CreateJoinTokenV1 {
                cluster: name("test"),
                expires_ms: 1_800_000_000_000,
                description: "rack 7".to_owned(),
            }
            .into(),
        ),
        ("", RevokeJoinTokenV1 { cluster: name("test"), token: token() }.into()),
        (
            "drift",
            observed(Observation::DriftRepaired {
                cluster: name("test"),
                generation: Generation(7),
                objects: vec!["DaemonSet kube-system/kube-proxy".to_owned()],
            }),
        ),
        ("", SetEndpointV1 { cluster: name("test"), endpoint: Some(endpoint()) }.into()),
        ("none", SetEndpointV1 { cluster: name("test"), endpoint: None }.into()),
        ("", SharePortsV1 { name: name("hv-1"), ports: vec![443, 6443] }.into()),
        ("", SetAuthenticationV1 { cluster: name("test"), issuers: vec![issuer()] }.into()),
        ("", EnableTunnelV1 { cluster: name("test"), cidr: "10.254.0.0/16".to_owned() }.into()),
        (
            "peer-requested",
            observed(Observation::PeerRequested {
                cluster: name("test"),
                worker: "rack-7".to_owned(),
                public_key: [7; 32],
            }),
        ),
        (
            "worker-gone",
            observed(Observation::WorkerGone {
                cluster: name("test"),
                worker: "rack-7".to_owned(),
                public_key: [7; 32],
            }),
        ),
        (
            "",
            RecordKubeconfigV2 {
                cluster: name("test"),
                common_name: "alice".to_owned(),
                organizations: vec!["dev".to_owned(), "ops".to_owned()],
                serial: "5f00d1".to_owned(),
                not_after_ms: 1_800_000_000_000,
                issuer: Hash::ZERO,
            }
            .into(),
        ),
        ("", UnregisterHypervisorV1 { name: name("hv-1") }.into()),
        ("", ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") }.into()),
        ("", UpgradeClusterV1 { name: name("test"), to: name("v1.36.3") }.into()),
        ("", change(UpgradeChange::Pause)),
        ("resume", change(UpgradeChange::Resume)),
        ("roll-back", change(UpgradeChange::RollBack)),
        ("", HibernateClusterV1 { name: name("test"), hibernated: true }.into()),
        ("", ScheduleDeletionV1 { name: name("test"), grace_ms: 86_400_000 }.into()),
        ("", UndeleteClusterV1 { name: name("test") }.into()),
        ("", ForgetOrphansV1 { name: name("hv-1") }.into()),
        ("", RenewCertificatesV1 { cluster: name("test"), node: name("cp-1") }.into()),
        // Since the third set of kinds.
        ("apiserver", add(Role::ApiServer, None)),
        (
            "broken",
            observed(Observation::MemberBroken {
                cluster: name("test"),
                node: name("cp-1"),
                generation: Generation(7),
                reason: "ended 5 times".to_owned(),
            }),
        ),
        (
            "backup",
            observed(Observation::BackupTaken {
                cluster: name("test"),
                backup: BackupId(uuid(4)),
                snapshot: snapshot(),
            }),
        ),
        ("", BackupClusterV1 { name: name("test") }.into()),
        ("", ScheduleBackupsV1 { name: name("test"), every_ms: 3_600_000, keep: 7 }.into()),
        ("", DeleteBackupV1 { cluster: name("test"), backup: BackupId(uuid(4)) }.into()),
        ("", RestoreClusterV1 { name: name("test"), backup: BackupId(uuid(4)) }.into()),
        (
            "",
            CloneClusterV1 { name: name("copy"), source: name("test"), backup: BackupId(uuid(4)) }
                .into(),
        ),
        (
            "",
            ScaleClusterV1 {
                name: name("test"),
                api_servers: Some(3),
                controller_managers: None,
                schedulers: Some(1),
            }
            .into(),
        ),
        (
            "issuer",
            RecordKubeconfigV2 {
                cluster: name("test"),
                common_name: "bob".to_owned(),
                organizations: Vec::new(),
                serial: "1".to_owned(),
                not_after_ms: 1_800_000_000_000,
                issuer: Hash([0xcd; 32]),
            }
            .into(),
        ),
        ("", rotate(RotationStep::Start)),
        ("switch", rotate(RotationStep::Switch)),
        ("finish", rotate(RotationStep::Finish)),
        ("abort", rotate(RotationStep::Abort)),
    ]
}

/// Each event under the name of its variant, empty where there is but one.
pub fn events() -> Vec<(&'static str, Event)> {
    let component = |component| {
        ComponentVersionChangedV1 {
            cluster: name("test"),
            node: name("cp-1"),
            component,
            version: name("v1.36.3"),
            generation: Generation(9),
        }
        .into()
    };
    let (cluster, node) = (name::<ClusterName>("test"), name::<NodeName>("cp-1"));
    let generation = Generation(7);
    let registered =
        |tls| HypervisorRegisteredV1 { hypervisor: register(tls), generation: Generation(300) };
    let added = |role, ports| NodeAddedV1 {
        cluster: name("test"),
        name: name("cp-1"),
        role,
        hypervisor: name("hv-1"),
        generation,
        ports,
        credentials: vec![credential("apiserver")],
    };
    let port = |port_use, port| PortV1 { port_use, port };
    vec![
        ("", registered(false).into()),
        ("tls", registered(true).into()),
        ("", HypervisorCordonedV1 { name: name("hv-1"), cordoned: true }.into()),
        (
            "",
            HypervisorObservedV1 {
                name: name("hv-1"),
                reachable: true,
                detail: "containerd v2.3.7".to_owned(),
            }
            .into(),
        ),
        ("", HypervisorUnregisteredV1 { name: name("hv-1") }.into()),
        (
            "",
            ClusterCreatedV1 {
                name: cluster.clone(),
                uid: ClusterUid(uuid(1)),
                kubernetes_version: name("v1.36.3"),
                pod_cidr: "10.244.0.0/16".to_owned(),
                service_cidr: "10.96.0.0/12".to_owned(),
                dns_domain: "cluster.local".to_owned(),
                extra_sans: vec!["api.example.org".to_owned()],
                credentials: vec![credential("ca"), credential("sa")],
            }
            .into(),
        ),
        (
            "",
            ClusterDeletionStartedV2 { name: cluster.clone(), generation, forget_orphans: false }
                .into(),
        ),
        ("", ClusterDeletedV1 { name: cluster.clone(), uid: ClusterUid(uuid(1)) }.into()),
        ("", ClusterBecameReadyV1 { name: cluster.clone() }.into()),
        (
            "",
            added(
                Role::ControlPlane,
                vec![
                    port(PortUse::ApiServer, 30000),
                    port(PortUse::EtcdClient, 30001),
                    port(PortUse::EtcdPeer, 30002),
                ],
            )
            .into(),
        ),
        ("ingress", added(Role::ControlPlaneIngress, vec![port(PortUse::ApiServer, 443)]).into()),
        (
            "",
            CertificateReplacedV1 {
                cluster: cluster.clone(),
                node: node.clone(),
                generation,
                credential: credential("apiserver"),
            }
            .into(),
        ),
        ("", NodeChangedV1 { cluster: cluster.clone(), node: node.clone(), generation }.into()),
        (
            "",
            NodeRemovalStartedV1 { cluster: cluster.clone(), name: node.clone(), generation }
                .into(),
        ),
        ("", NodeRemovedV1 { cluster: cluster.clone(), name: node.clone() }.into()),
        ("", JobSucceededV1 { job: job(), took_ms: 1234 }.into()),
        (
            "",
            JobFailedV1 {
                job: job(),
                attempt: 3,
                message: "exit code 1".to_owned(),
                retry_at_ms: 1_790_000_004_000,
            }
            .into(),
        ),
        ("", JobRetriedV1 { job: job() }.into()),
        ("", JobDeadLetteredV1 { job: job() }.into()),
        (
            "",
            PodRestartedV1 {
                cluster: cluster.clone(),
                node,
                what: "etcd/etcd".to_owned(),
                reason: "exited with code 137".to_owned(),
            }
            .into(),
        ),
        (
            "",
            KubeconfigIssuedV2 {
                cluster,
                common_name: "alice".to_owned(),
                organizations: vec!["dev".to_owned()],
                serial: "5f00d1".to_owned(),
                not_after_ms: 1_800_000_000_000,
                issuer: Hash::ZERO,
            }
            .into(),
        ),
        // Since the second set of kinds.
        (
            "",
            NodeReplacementStartedV1 {
                cluster: name("test"),
                node: name("cp-1"),
                by: name("cp-1-r2"),
            }
            .into(),
        ),
        (
            "",
            NodeOrphanedV1 { cluster: name("test"), name: name("cp-1"), generation: Generation(9) }
                .into(),
        ),
        (
            "",
            OrphanRemovedV1 {
                hypervisor: name("hv-1"),
                cluster_uid: ClusterUid(uuid(1)),
                node: name("cp-1"),
            }
            .into(),
        ),
        ("", OrphansForgottenV1 { name: name("hv-1") }.into()),
        (
            "",
            UpgradeStartedV1 { name: name("test"), from: name("v1.35.4"), to: name("v1.36.3") }
                .into(),
        ),
        ("", UpgradeChangedV1 { name: name("test"), paused: true, back: false }.into()),
        ("", component(Component::ApiServer)),
        ("controller-manager", component(Component::ControllerManager)),
        ("scheduler", component(Component::Scheduler)),
        ("", UpgradeEndedV1 { name: name("test"), version: name("v1.36.3") }.into()),
        (
            "",
            ClusterHibernatedV1 { name: name("test"), hibernated: true, generation: Generation(9) }
                .into(),
        ),
        (
            "",
            ClusterDeletionScheduledV1 { name: name("test"), at_ms: Some(1_800_000_000_000) }
                .into(),
        ),
        ("none", ClusterDeletionScheduledV1 { name: name("test"), at_ms: None }.into()),
        // Since the third set of kinds.
        (
            "",
            ComponentsChangedV1 {
                cluster: name("test"),
                node: name("api-1"),
                components: vec![Component::ApiServer, Component::Scheduler],
                generation: Generation(9),
            }
            .into(),
        ),
        (
            "",
            OrphanForgottenV1 {
                hypervisor: name("hv-1"),
                cluster_uid: ClusterUid(uuid(1)),
                node: name("cp-1"),
            }
            .into(),
        ),
        (
            "",
            BackupStartedV1 {
                cluster: name("test"),
                backup: BackupId(uuid(4)),
                generation: Generation(9),
            }
            .into(),
        ),
        (
            "",
            BackupTakenV1 {
                cluster: name("test"),
                backup: BackupId(uuid(4)),
                snapshot: snapshot(),
            }
            .into(),
        ),
        ("", BackupsScheduledV1 { cluster: name("test"), every_ms: 3_600_000, keep: 7 }.into()),
        (
            "",
            BackupExpiredV1 {
                cluster: name("test"),
                backup: BackupId(uuid(4)),
                generation: Generation(9),
            }
            .into(),
        ),
        ("", BackupDeletedV1 { cluster: name("test"), backup: BackupId(uuid(4)) }.into()),
        (
            "",
            RestoreStartedV1 {
                cluster: name("test"),
                backup: BackupId(uuid(4)),
                source: ClusterUid(uuid(1)),
                snapshot: snapshot(),
                generation: Generation(9),
            }
            .into(),
        ),
        ("", RestoreEndedV1 { cluster: name("test"), backup: BackupId(uuid(4)) }.into()),
        (
            "",
            MemberBrokenV1 {
                cluster: name("test"),
                node: name("cp-1"),
                reason: "ended 5 times".to_owned(),
            }
            .into(),
        ),
        (
            "issuer",
            KubeconfigIssuedV2 {
                cluster: name("test"),
                common_name: "bob".to_owned(),
                organizations: Vec::new(),
                serial: "1".to_owned(),
                not_after_ms: 1_800_000_000_000,
                issuer: Hash([0xcd; 32]),
            }
            .into(),
        ),
        (
            "",
            RotationStartedV1 {
                cluster: name("test"),
                credentials: vec![credential("ca")],
                generation: Generation(9),
            }
            .into(),
        ),
        ("trust", advanced(RotationStage::Trust)),
        ("", advanced(RotationStage::Switch)),
        ("retire", advanced(RotationStage::Retire)),
        ("", RotationEndedV1 { cluster: name("test") }.into()),
        ("", FeatureLevelRaisedV1 { level: 2 }.into()),
        ("", AddonsSetV1 { cluster: name("test"), addons: addons() }.into()),
        (
            "",
            JoinTokenCreatedV1 {
                cluster: name("test"),
                token: token(),
                credential: credential("join-token"),
                expires_ms: 1_800_000_000_000,
                description: "rack 7".to_owned(),
            }
            .into(),
        ),
        ("", JoinTokenEndedV1 { cluster: name("test"), token: token(), expired: true }.into()),
        (
            "",
            DriftRepairedV1 {
                cluster: name("test"),
                objects: vec!["DaemonSet kube-system/kube-proxy".to_owned()],
            }
            .into(),
        ),
        (
            "",
            TunnelEnabledV1 {
                cluster: name("test"),
                generation: Generation(7),
                cidr: "10.254.0.0/16".to_owned(),
                credential: credential("vpn"),
                ports: vec![NodePortV1 { node: name("lb"), port: port(PortUse::Wireguard, 444) }],
            }
            .into(),
        ),
        (
            "",
            TunnelPeerAddedV1 {
                cluster: name("test"),
                peer: TunnelPeer::Worker("rack-7".to_owned()),
                public_key: Some([7; 32]),
                address: [10, 254, 0, 2].into(),
            }
            .into(),
        ),
        (
            "control-plane",
            TunnelPeerAddedV1 {
                cluster: name("test"),
                peer: TunnelPeer::ControlPlane(name("cp")),
                public_key: None,
                address: [10, 254, 0, 3].into(),
            }
            .into(),
        ),
        (
            "",
            TunnelPeerRemovedV1 {
                cluster: name("test"),
                peer: TunnelPeer::Worker("rack-7".to_owned()),
            }
            .into(),
        ),
        (
            "",
            EndpointSetV1 {
                cluster: name("test"),
                generation: Generation(7),
                endpoint: Some(endpoint()),
            }
            .into(),
        ),
        ("", AuthenticationSetV1 { cluster: name("test"), issuers: vec![issuer()] }.into()),
        (
            "",
            AuthenticationRolledOutV1 {
                cluster: name("test"),
                node: name("cp"),
                generation: Generation(7),
            }
            .into(),
        ),
        ("", PortsSharedV1 { name: name("hv-1"), ports: vec![443, 6443] }.into()),
    ]
}

fn endpoint() -> Endpoint {
    Endpoint { host: "api.example.org".to_owned(), port: 6443, forwarded: true }
}

fn issuer() -> Issuer {
    Issuer {
        url: "https://id.example.org".to_owned(),
        discovery_url: Some("https://id/.well-known/openid-configuration".to_owned()),
        certificate_authority: Some("-----BEGIN CERTIFICATE-----".to_owned()),
        audiences: vec!["kubernetes".to_owned()],
        required_claims: vec![("team".to_owned(), "a".to_owned())],
        username: ClaimMapping { claim: "sub".to_owned(), prefix: "oidc:".to_owned() },
        groups: Some(ClaimMapping { claim: "groups".to_owned(), prefix: String::new() }),
    }
}

fn addons() -> Addons {
    Addons { cni: Cni::Flannel, kube_proxy: true, dns: false }
}

fn token() -> TokenId {
    TokenId::of(CommandId(uuid(9)))
}

/// A job of each kind.
pub fn jobs() -> Vec<Job> {
    use JobKind::*;
    [
        ProbeHypervisor,
        EnsureEtcd,
        EnsureControlPlane,
        EnsureIngress,
        RemoveNode,
        ShredKey,
        LeaveCluster,
        StopNode,
        RemoveOrphan,
        TakeBackup,
        DropBackup,
        RestoreEtcd,
        ReconcileAddons,
    ]
    .into_iter()
    .map(|kind| Job {
        id: job(),
        hypervisor: (![ShredKey, TakeBackup, DropBackup, ReconcileAddons].contains(&kind))
            .then(|| name("hv-1")),
        cluster: (kind != ProbeHypervisor).then(|| name("test")),
        cluster_uid: (kind != ProbeHypervisor).then(|| ClusterUid(uuid(1))),
        node: (![ProbeHypervisor, ShredKey, TakeBackup, DropBackup, ReconcileAddons]
            .contains(&kind))
        .then(|| name("cp-1")),
        kind,
        generation: Generation(7),
    })
    .collect()
}

/// The events of the first set of kinds: what the commit's golden holds.
const FIRST_SET: usize = 21;

/// A commit of one command and many events.
pub fn commit() -> Commit {
    Commit {
        header: CommitHeader {
            command_id: CommandId(uuid(2)),
            correlation: CommandId(uuid(3)),
            actor: "alice@example".to_owned(),
            time_ms: 1_790_000_000_000,
            previous: Hash([0xab; 32]),
        },
        command: DeleteClusterV2 { name: name("test"), forget_orphans: false }.into(),
        events: events().into_iter().take(FIRST_SET).map(|(_, event)| event).collect(),
    }
}
