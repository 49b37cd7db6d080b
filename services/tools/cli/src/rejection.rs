//! `oi rejection …`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::{Output, moment};
use clap::Subcommand;
use oi_proto::v1;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum RejectionVerb {
    /// The newest ones, the newest first.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
        #[command(flatten)]
        output: Output,
    },
}

pub async fn run(client: &Client, verb: RejectionVerb) -> Result<(), Failure> {
    match verb {
        RejectionVerb::List { count, output } => {
            let request = v1::ListRejectionsRequest { page_size: count, ..Default::default() };
            let reply = client.call(request, async |mut api, r| api.list_rejections(r).await);
            output.list(reply.await?.rejections.iter().map(row))
        }
    }
}

fn row(r: &v1::Rejection) -> Value {
    json!({
        "number": r.number, "time": moment(r.time_ms), "source": r.source, "actor": r.actor,
        "command": r.command, "commandId": r.command_id, "code": r.code, "message": r.message,
    })
}
