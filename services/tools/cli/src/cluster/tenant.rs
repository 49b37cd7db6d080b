//! `oi cluster tenant`.

use crate::client::Client;
use crate::error::Failure;
use clap::Args;
use oi_proto::v1;

/// Say whose a cluster is: a tenant sees and changes its own clusters only.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub struct Tenant {
    /// Its name.
    name: String,
    /// Whose it is.
    #[arg(long, group = "whose")]
    tenant: Option<String>,
    /// It is nobody's.
    #[arg(long, group = "whose")]
    none: bool,
}

impl Tenant {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let tenant = self.tenant.unwrap_or_default();
        client.submit(v1::SetTenant { cluster: self.name, tenant }).await.map(drop)
    }
}
