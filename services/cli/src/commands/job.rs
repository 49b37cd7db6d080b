//! `oi job …`

use crate::client::Client;
use crate::error::Failure;
use crate::flags::Job;
use crate::output;
use oi_proto::v1::{self, submit_request::Command};

pub async fn run(client: Client, command: Job) -> Result<(), Failure> {
    match command {
        Job::List { cluster, output } => {
            let rows = client.jobs(&cluster).await?.iter().map(output::job).collect();
            output::rows(output.output, rows, false)
        }
        Job::Retry { id } => {
            client.submit(Command::RetryJob(v1::RetryJob { job: id })).await.map(drop)
        }
    }
}
