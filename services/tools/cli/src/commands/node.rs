//! `oi node …`

use crate::client::Client;
use crate::error::Failure;
use crate::flags::{JoinFlags, Node};
use crate::{documents, output, reconcile};
use oi_node_join::{Join, Leave, Machine};
use oi_proto::manifest;
use oi_proto::v1::{self, submit_request::Command};
use std::path::Path;
use std::time::Duration;

fn say(text: &str) {
    eprintln!("{text}");
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_lowercase()
}

/// What is asked for by flags and the files that they name.
fn asked(flags: JoinFlags, patience: Duration) -> Result<Join, Failure> {
    let read = |path: &Path| {
        let io = |source| Failure::Io { what: path.display().to_string(), source };
        std::fs::read_to_string(path).map_err(io)
    };
    let token = match flags.join_token.strip_prefix('@') {
        Some(file) => read(Path::new(file))?.trim().to_owned(),
        None => flags.join_token,
    };
    Ok(Join {
        node: flags.nodename.unwrap_or_else(host_name),
        endpoint: flags.apiserver_endpoint,
        authorities: read(&flags.apiserver_ca_cert_file)?,
        token,
        runtime: flags.cri_socket,
        patience,
    })
}

pub async fn run(client: Client, command: Node) -> Result<(), Failure> {
    if client.is_planning()
        && matches!(command, Node::Join { .. } | Node::Connect(_) | Node::Leave { .. })
    {
        return Err(Failure::Input(
            "joining and leaving cannot be planned: they change this machine".to_owned(),
        ));
    }
    match command {
        Node::Inject(flags) => {
            let all = documents::inject(
                documents::read(Path::new("-"))?,
                vec![documents::node(&flags)?],
            )?;
            output::print(&manifest::write(&all)?)
        }
        Node::Create(flags) => {
            for (done, command) in reconcile::commands(&documents::node(&flags)?) {
                client.submit(command).await?;
                eprintln!("{done}");
            }
            Ok(())
        }
        Node::List { cluster, output } => {
            let rows = client.nodes(&cluster).await?.iter().map(output::node).collect();
            output::rows(output.output, rows, false)
        }
        Node::Get { name, cluster, output } => {
            let nodes = client.nodes(&cluster).await?;
            let found = nodes.iter().find(|n| n.name == name && n.cluster == cluster);
            let found = found.ok_or_else(|| {
                Failure::NotFound(format!("node {name} is not known in cluster {cluster}"))
            })?;
            output::rows(output.output, vec![output::node(found)], true)
        }
        Node::Replace { name, cluster } => {
            let command = v1::ReplaceNode { cluster: cluster.clone(), name: name.clone() };
            client.submit(Command::ReplaceNode(command)).await?;
            eprintln!("node {name} of cluster {cluster}: to be replaced");
            Ok(())
        }
        Node::Join { join, timeout } => {
            let join = asked(join, Duration::from_secs(timeout))?;
            // Nothing else is to be done meanwhile: it may block.
            oi_node_join::join(&Machine::default(), &join, &mut say)?;
            eprintln!("node {}: {}", join.node, if timeout > 0 { "ready" } else { "joining" });
            Ok(())
        }
        Node::Connect(join) => {
            let join = asked(join, Duration::ZERO)?;
            output::print(&oi_node_join::connect(&Machine::default(), &join, &mut say)?)
        }
        Node::Leave { force, timeout } => {
            let leave = Leave { patience: Duration::from_secs(timeout), force };
            Ok(oi_node_join::leave(&Machine::default(), &leave, &mut say)?)
        }
        Node::SuperviseKubelet => Ok(oi_node_join::supervise(&Machine::default())?),
        Node::SuperviseLink => Ok(oi_node_join::supervise_link(&Machine::default())?),
        Node::RunLink => Ok(oi_node_join::run_link(&Machine::default())?),
        Node::Delete { name, cluster } => {
            let command = v1::RemoveNode { cluster: cluster.clone(), name: name.clone() };
            client.submit(Command::RemoveNode(command)).await?;
            eprintln!("node {name} of cluster {cluster}: removal started");
            Ok(())
        }
    }
}
