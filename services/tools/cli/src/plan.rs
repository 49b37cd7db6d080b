//! `oi plan`: what another command would do.

use crate::cli::{Cli, Command, run_command};
use crate::client::Client;
use crate::error::Failure;
use crate::output;
use clap::{Args, Parser};
use oi_output::OutputFormat;
use oi_proto::v1;
use serde_json::{Value, json};
use std::ffi::OsString;

/// Print what another command would do, for example `oi plan cluster delete test`;
/// nothing is changed.
#[derive(Args)]
pub struct Plan {
    /// How the result is printed; before the command.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
    /// The command with its flags.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

impl Plan {
    /// Does the other command with a client that only gathers what it would submit.
    pub async fn run(self, client: Client) -> Result<(), Failure> {
        let client = client.planning();
        let planned = Cli::try_parse_from(std::iter::once("oi".into()).chain(self.command))
            .unwrap_or_else(|error| error.exit());
        if matches!(planned.command, Command::Plan(_)) {
            return Err(Failure::Input("a plan cannot be planned".to_owned()));
        }
        // Boxed, for a future cannot hold itself.
        Box::pin(run_command(&client, planned.command)).await?;
        let plan = client.plan().await?;
        show(self.output, &plan)?;
        Failure::of_plan(plan).map(drop)
    }
}

fn event(e: &v1::PlannedEvent) -> Value {
    json!({
        "event": e.event, "cluster": e.cluster, "node": e.node, "hypervisor": e.hypervisor,
        "restarts": e.restarts, "summary": e.summary,
    })
}

fn job(j: &v1::PlannedJob) -> Value {
    json!({
        "job": j.kind, "cluster": j.cluster, "node": j.node, "hypervisor": j.hypervisor,
        "waits": j.waits,
    })
}

fn lost(b: &v1::LostBackup) -> Value {
    json!({ "cluster": b.cluster, "backup": b.id })
}

fn show(format: OutputFormat, plan: &v1::PlanResponse) -> Result<(), Failure> {
    let events: Vec<Value> = plan.events.iter().map(event).collect();
    let jobs: Vec<Value> = plan.jobs.iter().map(job).collect();
    let unreadable: Vec<Value> = plan.unreadable_backups.iter().map(lost).collect();
    if format != OutputFormat::Table {
        let whole = json!({
            "position": plan.position, "refused": plan.refused, "message": plan.message,
            "events": events, "jobs": jobs, "unreadableBackups": unreadable,
        });
        return output::one(format, whole);
    }
    output::print(&format!("at log position {} (--expect-position)\n\n", plan.position))?;
    output::list(format, events)?;
    output::print("\n")?;
    output::list(format, jobs)?;
    if unreadable.is_empty() {
        return Ok(());
    }
    output::print("\nbackups that become unreadable\n\n")?;
    output::list(format, unreadable)
}
