//! `oi cluster hibernate` and `oi cluster wake`.

use crate::client::Client;
use crate::error::Failure;
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::v1;

/// Stop all that runs of a cluster, and keep its data.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when nothing of it runs")))]
pub struct Hibernate {
    /// Its name.
    name: String,
    #[command(flatten)]
    wait: Wait,
}

impl Hibernate {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        client.submit(v1::HibernateCluster { name: self.name.clone(), hibernated: true }).await?;
        wait::for_cluster(client, &self.name, self.wait.limit(), wait::is_stopped).await
    }
}

/// Run a hibernated cluster again.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when all of it is ready")))]
pub struct Wake {
    /// Its name.
    name: String,
    #[command(flatten)]
    wait: Wait,
}

impl Wake {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        client.submit(v1::HibernateCluster { name: self.name.clone(), hibernated: false }).await?;
        wait::for_cluster(client, &self.name, self.wait.limit(), wait::is_ready).await
    }
}
