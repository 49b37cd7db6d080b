//! Each limit by both doors: as much as it allows is accepted, and one more refused. The refusal
//! names the limit, is recorded, and changes nothing.

use crate::doors::{Answer, Door};
use crate::table::{self, Case};
use crate::{Api, Error, cluster, grpc, hypervisor, rejections, submit};
use oi_events::{
    CommandEnvelope, CommandId, JobCommand, JobId, JobOutput, JobResult, Limit, Outcome,
    ReportJobV2,
};
use oi_journal::{CommandClient, Journal, JournalConfig};
use oi_proto::v1::{self, oi_client::OiClient, submit_request::Command as Asked};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(20);
/// Rounds of jobs until a cluster is ready, at most.
const ROUNDS: usize = 400;

/// What stands in for workers, and looks on.
struct Lab {
    api: Api,
    commands: CommandClient,
    well: bool,
}

pub fn now_ms() -> Result<u64, Error> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

impl Lab {
    fn told(&mut self, fits: bool, line: &str) {
        self.well &= fits;
        println!("{:<6} {line}", if fits { "ok" } else { "NOT OK" });
    }

    async fn position(&mut self) -> Result<u64, Error> {
        Ok(self.api.get_status(v1::GetStatusRequest {}).await?.into_inner().position)
    }

    /// Reports all jobs of a cluster and of hypervisors as done, until none is owed.
    async fn settle(&mut self, cluster: &str) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let request = v1::ListJobsRequest::default();
            let mut owed = self.api.list_jobs(request).await?.into_inner().jobs;
            owed.retain(|job| job.cluster.is_empty() || job.cluster == cluster);
            if owed.is_empty() {
                return Ok(());
            }
            for job in owed {
                let result = JobResult::Succeeded(JobOutput::None);
                let report = ReportJobV2 { job: JobId(job.id), result, took_ms: 1 };
                let id = CommandId(uuid::Uuid::now_v7());
                let command = JobCommand::ReportJob(report);
                let envelope = CommandEnvelope::new(id, "system:worker:abuse", now_ms()?, command);
                match self.commands.request(&envelope, PATIENCE).await? {
                    Outcome::Committed { .. } | Outcome::Unchanged { .. } => {}
                    // It went with another one.
                    Outcome::Rejected { code: oi_events::Code::JobUnknown, .. } => {}
                    Outcome::Rejected { code, message } => {
                        return Err(format!("{code}: {message}").into());
                    }
                }
            }
        }
        Err(format!("cluster {cluster} is not ready after {ROUNDS} rounds of jobs").into())
    }

    async fn case(&mut self, door: &mut Door, case: Case) -> Result<(), Error> {
        let what = format!("{:<8} {}", door.name(), case.what);
        for asked in case.before {
            let kind = format!("{asked:?}");
            let Answer { code, message } = door.ask(submit(asked)).await?;
            if code != "accepted" {
                return Err(format!("{what}: {kind:.100}: {code}: {message}").into());
            }
        }
        if let Some(cluster) = &case.settled {
            self.settle(cluster).await?;
        }
        let Answer { code, message } = door.ask(case.most).await?;
        self.told(code == "accepted", &format!("{what}: as much as may be: {code} {message}"));
        let (before, recorded) = (self.position().await?, rejections(&mut self.api).await?);
        let Answer { code, message } = door.ask(case.more).await?;
        let fits = code == case.code && message.contains(&case.told);
        self.told(fits, &format!("{what}: more: {code}: {message}"));
        if !fits {
            println!("       must be {}: … {}", case.code, case.told);
        }
        let recorded = rejections(&mut self.api).await? - recorded;
        let seen = self.position().await? == before && recorded == u64::from(case.recorded);
        if !seen {
            self.told(false, &format!("{what}: more: changes nothing, and is recorded"));
        }
        Ok(())
    }
}

/// As many commands as are planned together, and one more. Plans have one door.
async fn plans(lab: &mut Lab) {
    for (want, count) in [("accepted", 200), ("too-large", 201)] {
        let create = |n| submit(Asked::CreateCluster(cluster(&format!("planned-{n}"))));
        let request = v1::PlanRequest { commands: (0..count).map(create).collect() };
        let code = grpc::word(lab.api.plan(request).await.map(drop));
        lab.told(code == want, &format!("grpc     a plan of {count}: {code}"));
    }
}

/// Where nodes can go: as many as there may be.
fn hypervisors() -> [v1::RegisterHypervisor; 2] {
    [(false, "limits-private", "192.0.2.3"), (true, "limits-public", "192.0.2.4")].map(
        |(public, name, address)| v1::RegisterHypervisor {
            name: name.to_owned(),
            address: address.to_owned(),
            cri_endpoint: format!("unix:///nowhere/{name}.sock"),
            public,
            port_high: 20_000,
            ..hypervisor()
        },
    )
}

/// Runs the table; whether each case ends as it must.
pub async fn run(server: &str, broker: &str) -> Result<bool, Error> {
    let api = OiClient::connect(server.to_owned()).await?;
    let journal = Journal::connect(JournalConfig::new(broker, "oi-abuse")).await?;
    let client = async_nats::connect(broker).await?;
    let mut lab = Lab { api: api.clone(), commands: journal.command_client(), well: true };
    for hypervisor in hypervisors() {
        lab.api.submit(submit(Asked::RegisterHypervisor(hypervisor))).await?;
    }
    plans(&mut lab).await;
    for mut door in [Door::Grpc(api), Door::Messages(client)] {
        for limit in Limit::ALL {
            let case = table::of(*limit, &door)?;
            lab.case(&mut door, case).await?;
        }
        for case in table::ranges(&door) {
            lab.case(&mut door, case).await?;
        }
    }
    println!("{} limits by both doors", Limit::ALL.len());
    Ok(lab.well)
}
