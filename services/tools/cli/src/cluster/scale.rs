//! `oi cluster scale`.

use crate::client::Client;
use crate::error::Failure;
use crate::wait::{self, Wait};
use clap::{ArgGroup, Args};
use oi_proto::v1;

/// Run other numbers of a cluster's components; etcd is not touched.
#[derive(Args)]
#[command(group = ArgGroup::new("count").required(true).multiple(true))]
pub struct Scale {
    /// Its name.
    name: String,
    /// How many API servers.
    #[arg(long, group = "count")]
    apiserver: Option<u32>,
    /// How many controller managers; at most as many as API servers.
    #[arg(long, group = "count")]
    controller_manager: Option<u32>,
    /// How many schedulers; at most as many as API servers.
    #[arg(long, group = "count")]
    scheduler: Option<u32>,
    #[command(flatten)]
    wait: Wait,
}

impl Scale {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let command = v1::ScaleCluster {
            name: self.name.clone(),
            api_servers: self.apiserver,
            controller_managers: self.controller_manager,
            schedulers: self.scheduler,
        };
        client.submit(command).await?;
        wait::for_cluster(client, &self.name, self.wait.limit(), wait::is_ready).await
    }
}
