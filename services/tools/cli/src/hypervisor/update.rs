//! `oi hypervisor update`.

use crate::client::Client;
use crate::error::Failure;
use clap::Args;
use oi_proto::v1;

/// Change what a hypervisor is, without a change to the nodes that it carries. What is not said
/// stays. The address and the directory of one that carries nodes stay, too: move those first.
#[derive(Args)]
pub struct Update {
    /// Its name.
    name: String,
    /// Where its CRI endpoint is: unix:///path or tcp://host:port.
    #[arg(long, value_name = "URL")]
    cri_endpoint: Option<String>,
    /// On workers' machines: the authority that signed the endpoint's certificate.
    #[arg(long, value_name = "FILE")]
    tls_ca_file: Option<String>,
    /// On workers' machines: the client certificate.
    #[arg(long, value_name = "FILE")]
    tls_certificate_file: Option<String>,
    /// On workers' machines: its key.
    #[arg(long, value_name = "FILE")]
    tls_key_file: Option<String>,
    /// Where the host ports of its pods are reached.
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// Host ports that may be used; those in use must be among them.
    #[arg(long, value_name = "LOW-HIGH", value_parser = parse_range)]
    port_range: Option<(u16, u16)>,
    /// How many nodes it may carry; 0 for no limit. Those that it carries stay.
    #[arg(long)]
    max_nodes: Option<u32>,
    /// Directory on it for files and etcd data.
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Whether it carries ingresses, or else control planes.
    #[arg(long)]
    public: Option<bool>,
}

fn parse_range(text: &str) -> Result<(u16, u16), String> {
    let read = || {
        let (low, high) = text.split_once('-')?;
        match (low.parse(), high.parse()) {
            (Ok(low), Ok(high)) => Some((low, high)),
            _ => None,
        }
    };
    read().ok_or_else(|| format!("{text:?} is no range of ports: write 30000-32767"))
}

impl Update {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let name = self.name.clone();
        let have = client.hypervisor(&name).await?.spec.ok_or_else(|| {
            Failure::NotFound(format!("the server does not say what hypervisor {name} is"))
        })?;
        let spec = Some(self.changed(have));
        let decided = client.submit(v1::UpdateHypervisor { spec }).await?;
        let done = if decided.unchanged { "it is so already" } else { "changed" };
        eprintln!("hypervisor {name}: {done}");
        Ok(())
    }

    /// What it is, changed by the flags.
    fn changed(self, have: v1::RegisterHypervisor) -> v1::RegisterHypervisor {
        let cri_endpoint = self.cri_endpoint.unwrap_or(have.cri_endpoint);
        let had = have.tls.unwrap_or_default();
        let tls = v1::TlsFiles {
            ca_file: self.tls_ca_file.unwrap_or(had.ca_file),
            certificate_file: self.tls_certificate_file.unwrap_or(had.certificate_file),
            key_file: self.tls_key_file.unwrap_or(had.key_file),
        };
        // A socket needs none.
        let is_socket = cri_endpoint.starts_with("unix:");
        let (low, high) = match self.port_range {
            Some((low, high)) => (low.into(), high.into()),
            None => (have.port_low, have.port_high),
        };
        v1::RegisterHypervisor {
            name: have.name,
            cri_endpoint,
            tls: (!is_socket && tls != v1::TlsFiles::default()).then_some(tls),
            public: self.public.unwrap_or(have.public),
            address: self.address.unwrap_or(have.address),
            port_low: low,
            port_high: high,
            data_dir: self.data_dir.unwrap_or(have.data_dir),
            max_nodes: self.max_nodes.unwrap_or(have.max_nodes),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        update: Update,
    }

    fn changed(flags: &[&str]) -> v1::RegisterHypervisor {
        let tls = v1::TlsFiles { ca_file: "ca".to_owned(), ..Default::default() };
        let have = v1::RegisterHypervisor {
            name: "h".to_owned(),
            cri_endpoint: "tcp://a:1".to_owned(),
            tls: Some(tls),
            port_low: 1,
            port_high: 9,
            ..Default::default()
        };
        let all = ["oi", "h"].iter().chain(flags);
        Flags::try_parse_from(all).unwrap().update.changed(have)
    }

    #[test]
    fn what_is_not_said_stays() {
        let same = changed(&[]);
        assert_eq!((same.port_low, same.port_high), (1, 9));
        let wider = changed(&["--port-range", "1-90", "--max-nodes", "3"]);
        assert_eq!(wider, v1::RegisterHypervisor { port_high: 90, max_nodes: 3, ..same.clone() });
        let tls = changed(&["--tls-ca-file", "new"]).tls.unwrap();
        assert_eq!(tls.ca_file, "new");
        assert_eq!(changed(&["--cri-endpoint", "unix:///s"]).tls, None);
        for wrong in ["", "1", "a-b", "1-70000"] {
            assert!(parse_range(wrong).is_err(), "{wrong}");
        }
    }
}
