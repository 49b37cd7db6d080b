//! `oi watch`: goes on where it was when the server comes back.

use crate::client::Client;
use crate::error::Failure;
use crate::output::{self, Output, moment};
use clap::Args;
use oi_output::{OutputFormat, document};
use oi_proto::v1;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3600);

/// Print each event as it happens.
#[derive(Args)]
pub struct Watch {
    /// Only what concerns this cluster.
    #[arg(long, default_value = "")]
    cluster: String,
    /// Only what concerns this hypervisor.
    #[arg(long, default_value = "")]
    hypervisor: String,
    /// Only events of this kind, for example NodeAdded; may be given several times.
    #[arg(long)]
    event: Vec<String>,
    /// From this log position on, instead of from now on.
    #[arg(long, default_value_t = 0)]
    from: u64,
    #[command(flatten)]
    output: Output,
}

impl Watch {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut client = client.clone();
        let mut request = v1::WatchRequest {
            from_position: match self.from {
                0 => client.status().await?.position + 1,
                from => from,
            },
            cluster: self.cluster,
            hypervisor: self.hypervisor,
            events: self.event,
            ..v1::WatchRequest::default()
        };
        loop {
            let mut events = client.watch(request.clone()).await?;
            client = client.patient(PATIENCE);
            let why = loop {
                match events.message().await {
                    Ok(Some(event)) => {
                        print(&event, self.output.output)?;
                        request.resume_after = event.resume_token;
                    }
                    Ok(None) => break "the server has ended it".to_owned(),
                    Err(status) => break status.message().to_owned(),
                }
            };
            eprintln!("connection lost ({why}); going on after {}", request.resume_after);
        }
    }
}

fn print(event: &v1::WatchResponse, format: OutputFormat) -> Result<(), Failure> {
    output::print(&match format {
        OutputFormat::Json => format!("{}\n", row(event)),
        OutputFormat::Yaml => format!("---\n{}", document(format, &row(event))?),
        OutputFormat::Table => line(event),
    })
}

fn row(e: &v1::WatchResponse) -> Value {
    json!({
        "position": e.position, "time": moment(e.time_ms), "actor": e.actor,
        "commandId": e.command_id, "command": e.command, "event": e.event, "cluster": e.cluster,
        "node": e.node, "hypervisor": e.hypervisor, "job": e.job, "summary": e.summary,
        "resumeToken": e.resume_token,
    })
}

fn line(event: &v1::WatchResponse) -> String {
    let about = [&event.cluster, &event.node, &event.hypervisor];
    let about: Vec<_> = about.into_iter().filter(|s| !s.is_empty()).map(String::as_str).collect();
    format!(
        "{:>6}  {}  {:<22}  {:<28}  {}\n",
        event.position,
        moment(event.time_ms),
        event.event,
        about.join("/"),
        event.summary
    )
}

/// An event as a line of progress, for verbs that wait.
pub fn progress(e: &v1::WatchResponse) -> String {
    let about = if e.node.is_empty() { String::new() } else { format!("/{}", e.node) };
    let step = e.job.rsplit('.').next().filter(|step| !step.is_empty());
    let job = step.map(|step| format!(" {step}")).unwrap_or_default();
    format!("{}{about}{job}: {}", e.cluster, e.summary)
}
