//! `oi node …`

use crate::client::Client;
use crate::error::Failure;
use crate::flags::Node;
use crate::{documents, output, reconcile};
use oi_proto::manifest;
use oi_proto::v1::{self, submit_request::Command};
use std::path::Path;

pub async fn run(client: Client, command: Node) -> Result<(), Failure> {
    match command {
        Node::Inject(flags) => {
            let all = documents::inject(
                documents::read(Path::new("-"))?,
                vec![documents::node(&flags)?],
            )?;
            output::print(&manifest::write(&all)?)
        }
        Node::Create(flags) => {
            let (done, command) = reconcile::command(&documents::node(&flags)?);
            client.submit(command).await?;
            eprintln!("{done}");
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
        Node::Delete { name, cluster } => {
            let command = v1::RemoveNode { cluster: cluster.clone(), name: name.clone() };
            client.submit(Command::RemoveNode(command)).await?;
            eprintln!("node {name} of cluster {cluster}: removal started");
            Ok(())
        }
    }
}
