//! What operators take from `deploy/` gives each role what it needs, and no more.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)).unwrap()
}

/// The manifests of a file of a kind.
fn manifests<'a>(file: &'a str, kind: &str) -> Vec<&'a str> {
    let kind = format!("\nkind: {kind}\n");
    file.split("\n---\n").filter(|m| format!("\n{m}").contains(&kind)).collect()
}

/// The number of seconds after a word.
fn seconds(text: &str, after: &str) -> u64 {
    let rest = &text[text.find(after).unwrap() + after.len()..];
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn only_workers_reach_container_runtimes() {
    let group = "SupplementaryGroups=oi-cri";
    assert!(!file("systemd/oi-server@.service").contains(group));
    assert!(file("systemd/oi-server@worker.service.d/cri.conf").contains(group));
    let roles = file("kubernetes/roles.yaml");
    let with_cri: Vec<_> =
        manifests(&roles, "Deployment").into_iter().filter(|m| m.contains("oi-cri-tls")).collect();
    assert!(with_cri.len() == 1 && with_cri[0].contains("name: oi-worker"));
}

#[test]
fn a_broker_that_stops_lets_its_clients_go_first() {
    let unit = file("systemd/oi-nats.service");
    // A command is followed by SIGTERM at once.
    assert!(unit.contains("\nKillSignal=SIGUSR2\n") && !unit.contains("ExecStop="));
    let broker = file("kubernetes/broker.yaml");
    assert!(broker.contains("preStop: { exec: { command: [/nats-server, --signal, ldm=1] } }"));
    for conf in ["../nats.conf", "nats/cluster.conf"] {
        let takes = seconds(&file(conf), "lame_duck_duration: \"");
        assert!(takes < seconds(&unit, "TimeoutStopSec="), "{conf}");
        assert!(takes < seconds(&broker, "terminationGracePeriodSeconds: "), "{conf}");
    }
}

#[test]
fn pods_are_confined_and_reached_only_where_they_must_be() {
    let (roles, broker) = (file("kubernetes/roles.yaml"), file("kubernetes/broker.yaml"));
    let mut pods = manifests(&roles, "Deployment");
    pods.extend(manifests(&broker, "StatefulSet"));
    assert_eq!(pods.len(), 4);
    for pod in pods {
        for needed in [
            "seccompProfile: { type: RuntimeDefault }",
            "allowPrivilegeEscalation: false",
            "capabilities: { drop: [ALL] }",
            "automountServiceAccountToken: false",
        ] {
            assert!(pod.contains(needed), "{needed} is not in\n{pod}");
        }
    }
    let policies = manifests(&roles, "NetworkPolicy");
    let all = policies.iter().find(|p| p.contains("matchLabels: { app: oi } }")).unwrap();
    assert!(all.contains("- from:") && all.contains("port: metrics") && !all.contains("grpc"));
}

#[test]
fn units_leave_the_machine_alone() {
    for unit in ["systemd/oi-server@.service", "systemd/oi-nats.service"] {
        let text = file(unit);
        for needed in [
            "CapabilityBoundingSet=\n",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectKernelModules=yes",
            "RestrictNamespaces=yes",
            "SystemCallFilter=@system-service",
            "UMask=0077",
        ] {
            assert!(text.contains(needed), "{unit}: {needed}");
        }
    }
}
