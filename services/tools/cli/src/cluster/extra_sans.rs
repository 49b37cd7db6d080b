//! `oi cluster extra-sans`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::Output;
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::v1;
use serde_json::json;

/// Further names and addresses in the certificates of a cluster's API servers. With some: let it
/// be those and no others. Nothing is restarted.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when all API servers have their certificate")))]
pub struct ExtraSans {
    /// Its name.
    name: String,
    /// DNS names and addresses.
    #[arg(value_name = "SAN", value_delimiter = ',')]
    sans: Vec<String>,
    /// None.
    #[arg(long, conflicts_with = "sans")]
    clear: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    output: Output,
}

impl ExtraSans {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.sans.is_empty() && !self.clear {
            let spec = client.cluster(&self.name).await?.spec.unwrap_or_default();
            return self.output.list(spec.extra_sans.iter().map(|san| json!({ "san": san })));
        }
        let (cluster, extra_sans) = (self.name.clone(), self.sans);
        client.submit(v1::SetExtraSans { cluster, extra_sans }).await?;
        wait::for_cluster(client, &self.name, self.wait.limit(), wait::is_ready).await
    }
}
