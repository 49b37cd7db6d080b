//! haproxy on a port that clusters share. It reads the name that a client asks for (SNI, RFC
//! 6066), and forwards the connection without terminating TLS to that cluster's ingress.

use super::haproxy::{self, COMMON, DEFAULTS, PORT};
use super::{DesiredError, Files, Labels, PodAndFiles, PodSpec, PortMapping, label, names};
use oi_domain::{Hypervisor, Route};
use oi_events::parsed;
use std::collections::BTreeMap;

/// The name of the pod among the pods of its hypervisor, and of its container.
pub const POD: &str = "passthrough";

/// The start of a configuration's mark. haproxy's `show info` prints it nowhere else.
const MARK: &str = "oi-ways-";

/// A shared port, with its routes.
pub struct SharedPort<'a> {
    /// The hypervisor.
    pub hypervisor: &'a Hypervisor,
    /// The port.
    pub port: u16,
    /// Its routes, in order.
    pub routes: Vec<Route>,
}

/// The labels of all shared ports of a hypervisor.
pub fn labels(h: &Hypervisor) -> Labels {
    [(label::POD, POD.to_owned()), (label::NODE, h.spec.name.to_string())]
        .map(|(k, v)| (k.to_owned(), v))
        .into()
}

/// The labels of one shared port.
pub fn labels_of(h: &Hypervisor, port: u16) -> Labels {
    let mut labels = labels(h);
    labels.insert(label::PORT.to_owned(), port.to_string());
    labels
}

/// The directory of a port's files on the hypervisor.
pub fn dir(h: &Hypervisor, port: u16) -> String {
    format!("{}/{port}", names::shared_ports_dir(h))
}

fn run_dir(h: &Hypervisor, port: u16) -> String {
    format!("{}/run", dir(h, port))
}

/// The socket on the hypervisor on which a port's haproxy takes commands.
pub fn console(h: &Hypervisor, port: u16) -> String {
    format!("{}/{}", run_dir(h, port), haproxy::CONSOLE)
}

impl SharedPort<'_> {
    fn config(&self) -> String {
        let mut clusters: BTreeMap<&str, Vec<&Route>> = BTreeMap::new();
        for route in &self.routes {
            clusters.entry(route.cluster.as_str()).or_default().push(route);
        }
        let mut text = format!(
            "{COMMON}    # Others' connections are not ended for long when a way is added.
    hard-stop-after 12h

{DEFAULTS}
frontend {POD}
    bind :{PORT}
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    tcp-request content reject
"
        );
        for (cluster, routes) in &clusters {
            let line = match routes[0].is_default() {
                true => format!("    default_backend {cluster}\n"),
                false => {
                    let name = &routes[0].name;
                    format!("    use_backend {cluster} if {{ req.ssl_sni -i {name} }}\n")
                }
            };
            text.push_str(&line);
        }
        for (cluster, routes) in clusters {
            text.push_str(&format!("\nbackend {cluster}\n    balance leastconn\n"));
            let check = if routes.len() > 1 { " check inter 1s" } else { "" };
            for route in routes {
                text.push_str(&format!("    server {} {}{check}\n", route.node, route.to));
            }
        }
        text
    }

    /// A digest of the routes, whatever the position of the log.
    pub fn digest(&self) -> String {
        haproxy::digest(&self.config(), "")
    }

    /// The pod, as of a position of the log.
    pub fn pod(&self, position: u64) -> Result<PodAndFiles, DesiredError> {
        let (h, port) = (self.hypervisor, self.port);
        let mut files = Files::new(dir(h, port));
        let mark = format!("{MARK}{position}-{}", self.digest());
        files.reloaded("haproxy.cfg", haproxy::marked(&mark, &self.config()).into_bytes());
        files.directory(run_dir(h, port));
        let log_directory = format!("{}/log", dir(h, port));
        files.directory(log_directory.clone());
        let (operations, files_hash) = files.finish();
        let pod = PodSpec {
            name: format!("{POD}-{port}"),
            namespace: "oi".to_owned(),
            uid: format!("{POD}-{port}-{}", h.spec.name),
            hostname: format!("{POD}-{port}"),
            identity: labels_of(h, port),
            log_directory,
            ports: vec![PortMapping::tcp(PORT, port)],
            containers: vec![haproxy::container(POD, dir(h, port), run_dir(h, port), files_hash)],
            ..PodSpec::default()
        };
        Ok((pod, operations))
    }
}

/// The position of the log that haproxy's configuration was rendered from, by its `show info`.
pub fn position(info: &str) -> Option<u64> {
    parsed(info.split_once(MARK)?.1.split_once('-')?.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::desired::FileOp;

    fn route(name: &str, cluster: &str, node: &str, to: &str) -> Route {
        Route {
            port: 6443,
            name: name.to_owned(),
            cluster: cluster.parse().unwrap(),
            node: node.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    #[test]
    fn a_name_leads_to_its_cluster_and_no_name_to_the_one_with_an_address() {
        let state = oi_domain::State::default();
        assert!(state.routes(&"none".parse().unwrap()).is_empty());
        let spec = oi_events::RegisterHypervisorV1 {
            name: "hv".parse().unwrap(),
            cri_endpoint: "unix:///run/x.sock".to_owned(),
            tls: None,
            public: true,
            address: "10.0.0.9".parse().unwrap(),
            port_low: 1,
            port_high: 2,
            data_dir: "/data".to_owned(),
            max_nodes: None,
        };
        let h = Hypervisor::registered(spec, oi_events::Generation(1), 0);
        let routes = vec![
            route("a.test", "a", "lb-1", "10.0.0.9:30001"),
            route("a.test", "a", "lb-2", "10.0.0.9:30002"),
            route("10.0.0.9", "b", "lb-1", "10.0.0.9:30003"),
        ];
        let shared = SharedPort { hypervisor: &h, port: 6443, routes };
        let text = shared.config();
        assert!(text.contains("use_backend a if { req.ssl_sni -i a.test }"), "{text}");
        assert!(text.contains("default_backend b"), "{text}");
        assert!(text.contains("server lb-2 10.0.0.9:30002 check"), "{text}");
        let (pod, files) = shared.pod(17).unwrap();
        assert_eq!(pod.ports, [PortMapping::tcp(PORT, 6443)]);
        let config = files.iter().find_map(|f| match f {
            FileOp::Write { content, .. } => Some(String::from_utf8(content.clone()).unwrap()),
            _ => None,
        });
        let config = config.unwrap();
        assert_eq!(position(&config), Some(17));
        let mark =
            config.lines().find_map(|line| line.trim().strip_prefix("description ")).unwrap();
        let info =
            format!("Name: HAProxy\nUptime: 0d\nnode: {}\ndescription: {mark}\n", pod.hostname);
        assert_eq!(position(&info), Some(17), "as it says when it is asked");
        assert!(config.contains(&shared.digest()));
    }
}
