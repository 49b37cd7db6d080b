//! `oi watch`: goes on where it was when the server comes back.

use crate::client::Client;
use crate::error::Failure;
use crate::flags::Format;
use crate::output;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3600);

pub async fn run(client: Client, cluster: &str, from: u64, format: Format) -> Result<(), Failure> {
    let mut client = client;
    // The first position that is not printed whole yet.
    let mut next = match from {
        0 => client.status().await?.position + 1,
        n => n,
    };
    loop {
        let mut events = client.watch(next, cluster).await?;
        client = client.patient(PATIENCE);
        let mut within = Vec::new();
        // A position's events come together; they are printed once all are there or
        // the next position begins, so that none is doubled after a new connection.
        loop {
            let message = tokio::time::timeout(Duration::from_millis(20), events.message()).await;
            match message {
                Ok(Ok(Some(event))) => {
                    if within
                        .first()
                        .is_some_and(|e: &oi_proto::v1::WatchResponse| e.position != event.position)
                    {
                        next = flush(&mut within, format)?;
                    }
                    within.push(event);
                }
                Ok(_) => break,
                Err(_) if within.is_empty() => match events.message().await {
                    Ok(Some(event)) => within.push(event),
                    _ => break,
                },
                Err(_) => next = flush(&mut within, format)?,
            }
        }
        eprintln!("connection lost; going on from position {next}");
    }
}

fn flush(events: &mut Vec<oi_proto::v1::WatchResponse>, format: Format) -> Result<u64, Failure> {
    let mut next = 0;
    for event in events.drain(..) {
        next = event.position + 1;
        match format {
            Format::Json => output::print(&format!("{}\n", output::event(&event)))?,
            Format::Yaml => {
                output::print(&format!(
                    "---\n{}",
                    serde_yaml_ng::to_string(&output::event(&event))?
                ))?;
            }
            Format::Table => {
                let about = [&event.cluster, &event.node, &event.hypervisor];
                let about: Vec<_> =
                    about.into_iter().filter(|s| !s.is_empty()).map(String::as_str).collect();
                output::print(&format!(
                    "{:>6}  {}  {:<22}  {:<28}  {}\n",
                    event.position,
                    output::moment(event.time_ms),
                    event.event,
                    about.join("/"),
                    event.summary
                ))?;
            }
        }
    }
    Ok(next)
}
