//! Commands about clusters, nodes, backups and jobs that must be rejected.

use crate::{NOWHERE, THERE};
use oi_proto::v1::{self, submit_request::Command as Asked};

type Case = (&'static str, &'static str, Asked);

fn nowhere() -> String {
    NOWHERE.to_owned()
}

fn there() -> String {
    THERE.to_owned()
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn node(cluster: &str, name: &str, role: i32, hypervisor: &str) -> Asked {
    Asked::AddNode(v1::AddNode {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        role,
        hypervisor: hypervisor.to_owned(),
    })
}

fn scale(name: String, n: u32) -> Asked {
    Asked::ScaleCluster(v1::ScaleCluster {
        name,
        api_servers: Some(n),
        ..v1::ScaleCluster::default()
    })
}

pub fn clusters() -> Vec<(&'static str, String, Asked)> {
    let all = lifecycle().into_iter().chain(nodes()).chain(backups()).chain(jobs());
    all.map(|(want, what, command)| (want, what.to_owned(), command)).collect()
}

fn lifecycle() -> Vec<Case> {
    vec![
        (
            "cluster-unknown",
            "delete an unknown cluster",
            Asked::DeleteCluster(v1::DeleteCluster { name: nowhere(), forget_orphans: false }),
        ),
        (
            "cluster-unknown",
            "upgrade an unknown cluster",
            Asked::UpgradeCluster(v1::UpgradeCluster { name: nowhere(), to: "v1.36.3".to_owned() }),
        ),
        (
            "malformed",
            "upgrade to x",
            Asked::UpgradeCluster(v1::UpgradeCluster { name: there(), to: "x".to_owned() }),
        ),
        (
            "malformed",
            "an upgrade's change that there is not",
            Asked::ChangeUpgrade(v1::ChangeUpgrade { name: there(), change: 9 }),
        ),
        (
            "no-upgrade",
            "pause no upgrade",
            Asked::ChangeUpgrade(v1::ChangeUpgrade { name: there(), change: 1 }),
        ),
        (
            "cluster-unknown",
            "hibernate an unknown cluster",
            Asked::HibernateCluster(v1::HibernateCluster { name: nowhere(), hibernated: true }),
        ),
        (
            "cluster-unknown",
            "schedule the deletion of an unknown cluster",
            Asked::ScheduleDeletion(v1::ScheduleDeletion { name: nowhere(), grace_ms: 1 }),
        ),
        (
            "cluster-unknown",
            "undelete an unknown cluster",
            Asked::UndeleteCluster(v1::UndeleteCluster { name: nowhere() }),
        ),
        (
            "malformed",
            "a rotation without a step",
            Asked::RotateCa(v1::RotateCa { name: there(), step: 0 }),
        ),
        (
            "no-rotation",
            "finish no rotation",
            Asked::RotateCa(v1::RotateCa { name: there(), step: 3 }),
        ),
    ]
}

fn nodes() -> Vec<Case> {
    vec![
        ("cluster-unknown", "a node of an unknown cluster", node(NOWHERE, "a", 1, "")),
        ("malformed", "a node without a role", node(THERE, "a", 0, "")),
        ("malformed", "a node with role 99", node(THERE, "a", 99, "")),
        ("malformed", "a node with role -1", node(THERE, "a", -1, "")),
        ("malformed", "a node named A", node(THERE, "A", 1, "")),
        ("malformed", "a node without a name", node(THERE, "", 1, "")),
        ("malformed", "a node on hypervisor _", node(THERE, "a", 1, "_")),
        ("hypervisor-unknown", "a node on an unknown hypervisor", node(THERE, "a", 1, NOWHERE)),
        (
            "no-hypervisor",
            "an ingress where there is no public hypervisor",
            node(THERE, "a", 2, ""),
        ),
        (
            "node-unknown",
            "remove an unknown node",
            Asked::RemoveNode(v1::RemoveNode { cluster: there(), name: "a".to_owned() }),
        ),
        (
            "cluster-unknown",
            "remove a node of an unknown cluster",
            Asked::RemoveNode(v1::RemoveNode { cluster: nowhere(), name: "a".to_owned() }),
        ),
        (
            "node-unknown",
            "replace an unknown node",
            Asked::ReplaceNode(v1::ReplaceNode { cluster: there(), name: "a".to_owned() }),
        ),
        ("cluster-unknown", "scale an unknown cluster", scale(nowhere(), 1)),
        ("invalid", "no API servers", scale(there(), 0)),
        ("invalid", "endlessly many API servers", scale(there(), u32::MAX)),
    ]
}

fn backups() -> Vec<Case> {
    vec![
        (
            "cluster-unknown",
            "back up an unknown cluster",
            Asked::BackupCluster(v1::BackupCluster { name: nowhere() }),
        ),
        (
            "cluster-unknown",
            "schedule backups of an unknown cluster",
            Asked::ScheduleBackups(v1::ScheduleBackups {
                name: nowhere(),
                every_ms: 3_600_000,
                keep: 1,
            }),
        ),
        (
            "malformed",
            "delete backup x",
            Asked::DeleteBackup(v1::DeleteBackup { cluster: there(), backup: "x".to_owned() }),
        ),
        (
            "backup-unknown",
            "delete an unknown backup",
            Asked::DeleteBackup(v1::DeleteBackup { cluster: there(), backup: id() }),
        ),
        (
            "backup-unknown",
            "restore an unknown backup",
            Asked::RestoreCluster(v1::RestoreCluster { name: there(), backup: id() }),
        ),
        (
            "cluster-unknown",
            "clone an unknown cluster",
            Asked::CloneCluster(v1::CloneCluster {
                name: "new".to_owned(),
                source: nowhere(),
                backup: id(),
            }),
        ),
    ]
}

fn jobs() -> Vec<Case> {
    vec![
        (
            "job-unknown",
            "retry an unknown job",
            Asked::RetryJob(v1::RetryJob { job: "x".to_owned() }),
        ),
        (
            "job-unknown",
            "retry a job with a long name",
            Asked::RetryJob(v1::RetryJob { job: "x".repeat(100_000) }),
        ),
    ]
}
