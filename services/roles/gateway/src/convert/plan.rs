//! What commands would do, as an answer.

use oi_domain::{Plan, PlannedJob, describe, restarts};
use oi_events::{BackupId, ClusterName, Event};
use oi_proto::v1;

pub fn plan(plan: &Plan) -> v1::PlanResponse {
    let text = |t: Option<&dyn std::fmt::Display>| t.map(ToString::to_string).unwrap_or_default();
    let event = |(event, restarts): (&Event, bool)| {
        let about = describe(event);
        v1::PlannedEvent {
            event: event.kind().name.to_owned(),
            cluster: text(about.cluster.as_ref().map(|c| c as _)),
            node: text(about.node.as_ref().map(|n| n as _)),
            hypervisor: text(about.hypervisor.as_ref().map(|h| h as _)),
            summary: about.summary,
            restarts,
        }
    };
    let job = |planned: &PlannedJob| v1::PlannedJob {
        kind: planned.job.kind.token().to_owned(),
        cluster: text(planned.job.cluster.as_ref().map(|c| c as _)),
        node: text(planned.job.node.as_ref().map(|n| n as _)),
        hypervisor: text(planned.job.hypervisor.as_ref().map(|h| h as _)),
        waits: planned.waits,
    };
    let lost = |(cluster, id): &(ClusterName, BackupId)| v1::LostBackup {
        cluster: cluster.to_string(),
        id: id.to_string(),
    };
    v1::PlanResponse {
        position: plan.position,
        refused: plan.refused.as_ref().map(|r| r.code().to_string()).unwrap_or_default(),
        message: text(plan.refused.as_ref().map(|r| r as _)),
        events: plan.events.iter().zip(restarts(plan)).map(event).collect(),
        jobs: plan.jobs.iter().map(job).collect(),
        unreadable_backups: plan.unreadable.iter().map(lost).collect(),
    }
}
