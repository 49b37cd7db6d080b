//! `oi job …`

use crate::client::Client;
use crate::error::Failure;
use crate::flags::{Job, JobState};
use crate::output;
use oi_proto::v1::{self, submit_request::Command};

fn wanted(state: Option<JobState>) -> v1::JobState {
    match state {
        None => v1::JobState::Unspecified,
        Some(JobState::Due) => v1::JobState::Due,
        Some(JobState::Paused) => v1::JobState::Paused,
        Some(JobState::DeadLettered) => v1::JobState::DeadLettered,
    }
}

pub async fn run(client: Client, command: Job) -> Result<(), Failure> {
    match command {
        Job::List { cluster, state, output } => {
            let jobs = client.jobs_in(&cluster, wanted(state)).await?;
            let rows = jobs.iter().map(output::job).collect();
            output::rows(output.output, rows, false)
        }
        Job::Get { id, output } => {
            let found = client.job(&id).await?;
            output::rows(output.output, output::attempts(&found), false)?;
            if let Some(job) = &found.job {
                eprintln!("{id}: {}", output::job_state(job));
            }
            Ok(())
        }
        Job::Retry { id } => {
            client.submit(Command::RetryJob(v1::RetryJob { job: id })).await.map(drop)
        }
        Job::Cancel { id } => {
            client.submit(Command::CancelJob(v1::CancelJob { job: id })).await.map(drop)
        }
    }
}
