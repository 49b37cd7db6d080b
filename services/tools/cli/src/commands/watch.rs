//! `oi watch`: goes on where it was when the server comes back.

use crate::client::Client;
use crate::error::Failure;
use crate::flags::{Format, Watch};
use crate::output;
use oi_proto::v1;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3600);

pub async fn run(client: Client, flags: Watch) -> Result<(), Failure> {
    let mut client = client;
    let mut request = v1::WatchRequest {
        from_position: match flags.from {
            0 => client.status().await?.position + 1,
            from => from,
        },
        cluster: flags.cluster,
        hypervisor: flags.hypervisor,
        events: flags.event,
        ..v1::WatchRequest::default()
    };
    loop {
        let mut events = client.watch(request.clone()).await?;
        client = client.patient(PATIENCE);
        while let Ok(Some(event)) = events.message().await {
            print(&event, flags.output.output)?;
            request.resume_after = event.resume_token;
        }
        eprintln!("connection lost; going on after {}", request.resume_after);
    }
}

fn print(event: &v1::WatchResponse, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::print(&format!("{}\n", output::event(event))),
        Format::Yaml => {
            output::print(&format!("---\n{}", serde_yaml_ng::to_string(&output::event(event))?))
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
            ))
        }
    }
}
