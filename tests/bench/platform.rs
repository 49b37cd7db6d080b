//! The same through the platform: by the command that users type.

use crate::Result;
use crate::ready::{Entry, User};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oi_events::RegisterHypervisorV1;
use serde_json::Value;
use std::process::Stdio;
use tokio::process::Command;

pub const CLUSTER: &str = "platform";

/// What a command of `oi` prints.
pub async fn oi(args: &[&str]) -> Result<String> {
    let output = Command::new("oi").args(args).stderr(Stdio::null()).output().await?;
    if !output.status.success() {
        return Err(format!("oi {} failed", args.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The lab's hypervisors.
pub async fn hypervisors(documents: &str) -> Result<Vec<RegisterHypervisorV1>> {
    let listed: Value = serde_json::from_str(&oi(&["hypervisor", "list", "-o", "json"]).await?)?;
    let text = |v: &Value, field: &str| v[field].as_str().unwrap_or_default().to_owned();
    let one = |v: &Value| -> Result<RegisterHypervisorV1> {
        let ports = text(v, "ports");
        let (low, high) = ports.split_once('-').ok_or("ports")?;
        let endpoint = text(v, "endpoint");
        let data_dir = documents
            .split("---")
            .find(|d| d.contains(&endpoint))
            .and_then(|d| d.lines().find_map(|l| l.trim().strip_prefix("dataDir: ")))
            .ok_or("dataDir")?;
        Ok(RegisterHypervisorV1 {
            name: text(v, "name").parse()?,
            cri_endpoint: endpoint.clone(),
            tls: None,
            public: v["public"] == true,
            address: text(v, "address").parse()?,
            port_low: low.parse()?,
            port_high: high.parse()?,
            data_dir: data_dir.to_owned(),
            max_nodes: None,
        })
    };
    listed.as_array().ok_or("no list")?.iter().map(one).collect()
}

/// Where the cluster's API will be, as soon as that is known.
pub async fn entry() -> Result<Entry> {
    loop {
        if let Ok(text) = oi(&["cluster", "get", CLUSTER, "-o", "json"]).await {
            let cluster: Value = serde_json::from_str(&text)?;
            let field = |name: &str| cluster[name].as_str().unwrap_or_default().to_owned();
            if let Ok(address) = field("endpoint").parse() {
                return Entry::new(address, &field("caCertificate"), None);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// An administrator, by a kubeconfig.
pub async fn user() -> Result<User> {
    let text = oi(&["cluster", "kubeconfig", "--cluster", CLUSTER]).await?;
    let field = |name: &str| -> Result<String> {
        let line = text.lines().find_map(|l| l.trim().strip_prefix(name)).ok_or("kubeconfig")?;
        Ok(String::from_utf8(STANDARD.decode(line.trim())?)?)
    };
    Ok(User { certificate: field("client-certificate-data:")?, key: field("client-key-data:")? })
}
