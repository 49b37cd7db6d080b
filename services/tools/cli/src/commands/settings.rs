//! `oi cluster endpoint` and `oi cluster authentication`: shown, or set.

use super::cluster::{ready, wait_for};
use crate::client::Client;
use crate::error::Failure;
use crate::flags::{AuthenticationFlags, Output};
use crate::output;
use oi_proto::manifest::EndpointSpec;
use oi_proto::v1::{self, submit_request::Command};

/// How long to wait, if at all, seconds.
type Wait = Option<u64>;

pub async fn endpoint(
    client: &Client,
    name: String,
    wanted: Option<EndpointSpec>,
    clear: bool,
    wait: Wait,
    format: Output,
) -> Result<(), Failure> {
    if wanted.is_none() && !clear {
        let found = client.cluster(&name).await?;
        let hypervisors = match client.hypervisors().await {
            // A tenant sees its own clusters only, and so only their ingresses.
            Err(Failure::Rejected { code, .. }) if code == "forbidden" => Vec::new(),
            hypervisors => hypervisors?,
        };
        let routes = hypervisors.iter().flat_map(|h| output::routes(h, &found));
        return output::rows(format.output, output::endpoint(&found, routes.collect()), false);
    }
    let endpoint = wanted.as_ref().map(v1::Endpoint::from);
    let before = client.cluster(&name).await?;
    if before.own_endpoint.is_some() && before.own_endpoint != endpoint {
        eprintln!(
            "cluster {name}: whoever was told {} (kubeconfigs, worker nodes) must be told anew",
            before.endpoint
        );
    }
    let command = v1::SetEndpoint { cluster: name.clone(), endpoint };
    client.submit(Command::SetEndpoint(command)).await?;
    let done = |c: &v1::Cluster, nodes: &[v1::Node]| {
        (c.addons.is_none() || c.configured) && ready(c, nodes)
    };
    wait_for(client, &name, wait.is_some(), wait.unwrap_or_default(), done).await
}

pub async fn authentication(
    client: &Client,
    name: String,
    flags: AuthenticationFlags,
    clear: bool,
    wait: Wait,
    format: Output,
) -> Result<(), Failure> {
    let wanted = match flags.spec()? {
        Some(_) if clear => {
            let both = "--clear forgets all issuers: give none with it".to_owned();
            return Err(Failure::Input(both));
        }
        None if !clear => {
            let found = client.cluster(&name).await?;
            return output::rows(format.output, output::issuers(&found), false);
        }
        wanted => wanted.unwrap_or_default(),
    };
    let issuers = wanted.jwt.iter().map(v1::Issuer::from).collect();
    let command = v1::SetAuthentication { cluster: name.clone(), issuers };
    client.submit(Command::SetAuthentication(command)).await?;
    let done = |c: &v1::Cluster, _: &[v1::Node]| {
        c.authentication.as_ref().is_none_or(|a| a.servers_behind == 0)
    };
    wait_for(client, &name, wait.is_some(), wait.unwrap_or_default(), done).await
}
