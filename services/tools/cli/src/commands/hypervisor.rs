//! `oi hypervisor …`

use crate::client::Client;
use crate::error::Failure;
use crate::flags::Hypervisor;
use crate::output;
use oi_proto::manifest::sorted_ports;
use oi_proto::v1::{self, submit_request::Command};

pub async fn run(client: Client, command: Hypervisor) -> Result<(), Failure> {
    let cordon = async |name: String, cordoned: bool| {
        let command = v1::CordonHypervisor { name, cordoned };
        client.submit(Command::CordonHypervisor(command)).await.map(drop)
    };
    match command {
        Hypervisor::List { output } => {
            let rows = client.hypervisors().await?.iter().map(output::hypervisor).collect();
            output::rows(output.output, rows, false)
        }
        Hypervisor::Get { name, output } => {
            let all = client.hypervisors().await?;
            let found = all.iter().find(|h| h.spec.as_ref().is_some_and(|s| s.name == name));
            let found = found
                .ok_or_else(|| Failure::NotFound(format!("hypervisor {name} is not known")))?;
            output::rows(output.output, vec![output::hypervisor(found)], true)
        }
        Hypervisor::Cordon { name } => cordon(name, true).await,
        Hypervisor::Uncordon { name } => cordon(name, false).await,
        Hypervisor::Share { name, port, none: _ } => {
            let command = v1::SharePorts { name, ports: sorted_ports(&port) };
            client.submit(Command::SharePorts(command)).await.map(drop)
        }
        Hypervisor::Abandon { name } => {
            let command = v1::ForgetOrphans { name };
            client.submit(Command::ForgetOrphans(command)).await.map(drop)
        }
        Hypervisor::Delete { name } => {
            let command = v1::UnregisterHypervisor { name };
            client.submit(Command::UnregisterHypervisor(command)).await.map(drop)
        }
    }
}
