//! `oi job …`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::{Output, moment};
use clap::{Subcommand, ValueEnum};
use oi_proto::v1;
use serde_json::{Value, json};

/// How it stands with a job that is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JobState {
    /// It waits for its turn, or is being done.
    Due,
    /// It failed, and waits until it is tried again.
    Paused,
    /// A dead letter: it waits until it is retried by hand.
    DeadLettered,
}

impl From<JobState> for v1::JobState {
    fn from(state: JobState) -> v1::JobState {
        match state {
            JobState::Due => v1::JobState::Due,
            JobState::Paused => v1::JobState::Paused,
            JobState::DeadLettered => v1::JobState::DeadLettered,
        }
    }
}

#[derive(Subcommand)]
pub enum JobVerb {
    /// All jobs that are owed.
    List {
        /// Only those for this cluster.
        #[arg(long, default_value = "")]
        cluster: String,
        /// Only those in this state.
        #[arg(long)]
        state: Option<JobState>,
        #[command(flatten)]
        output: Output,
    },
    /// A job, owed or ended: the command that made it owed, and each attempt.
    Get {
        /// Its id.
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Do not wait for the pause after a failure; a job that was given up is tried again.
    Retry {
        /// Its id.
        id: String,
    },
    /// Leave it out, where nothing else depends on it: a backup that is not taken yet.
    Cancel {
        /// Its id.
        id: String,
    },
}

pub async fn run(client: &Client, verb: JobVerb) -> Result<(), Failure> {
    match verb {
        JobVerb::List { cluster, state, output } => {
            let state = state.map_or(v1::JobState::Unspecified, v1::JobState::from);
            output.list(client.jobs_in(&cluster, state).await?.iter().map(row))
        }
        JobVerb::Get { id, output } => {
            let request = v1::GetJobRequest { id: id.clone() };
            let call = client.call(request, async |mut api, r| api.get_job(r).await);
            let found = call.await?;
            output.list(attempts(&found))?;
            if let Some(job) = &found.job {
                eprintln!("{id}: {}", state(job));
            }
            Ok(())
        }
        JobVerb::Retry { id } => client.submit(v1::RetryJob { job: id }).await.map(drop),
        JobVerb::Cancel { id } => client.submit(v1::CancelJob { job: id }).await.map(drop),
    }
}

fn state(j: &v1::Job) -> &'static str {
    match j.state() {
        v1::JobState::Unspecified => "",
        v1::JobState::Due => "due",
        v1::JobState::Paused => "paused",
        v1::JobState::DeadLettered => "dead-lettered",
        v1::JobState::Done => "done",
        v1::JobState::Obsolete => "obsolete",
    }
}

fn row(j: &v1::Job) -> Value {
    json!({
        "id": j.id, "hypervisor": j.hypervisor, "state": state(j), "failures": j.failures,
        "retryAt": moment(j.retry_at_ms), "message": j.message,
    })
}

/// What happened to a job: what made it owed first, then each attempt.
fn attempts(found: &v1::GetJobResponse) -> impl Iterator<Item = Value> {
    let cause = found.cause.iter().map(|c| {
        json!({
            "position": c.position, "time": moment(c.time_ms), "event": c.command,
            "actor": c.actor, "commandId": c.command_id, "tookMs": 0, "message": "",
        })
    });
    let attempts = found.attempts.iter().map(|a| {
        json!({
            "position": a.position, "time": moment(a.time_ms), "event": a.event,
            "actor": a.actor, "commandId": "", "tookMs": a.took_ms, "message": a.message,
        })
    });
    cause.chain(attempts)
}
