//! The table of limits: for each a request for as much as it allows, and one for more.

use crate::doors::Door;
use crate::large::{self, issuer, users};
use crate::limits::now_ms;
use crate::{Error, changed, cluster, hypervisor, submit};
use oi_events::Limit;
use oi_proto::v1::{self, SubmitRequest, submit_request::Command as Asked};
use uuid::Uuid;

/// How a limit is asked for.
pub struct Case {
    pub what: String,
    /// What there must be before.
    pub before: Vec<Asked>,
    /// The cluster that must be ready before, if any.
    pub settled: Option<String>,
    pub most: SubmitRequest,
    pub more: SubmitRequest,
    /// The code for more, and what its message names.
    pub code: &'static str,
    pub told: String,
    /// Whether the refusal is recorded: what is never read is not.
    pub recorded: bool,
}

impl Case {
    fn new(limit: Limit, most: Asked, more: Asked) -> Case {
        Case {
            what: format!("{limit:?} ({})", limit.bound()),
            before: Vec::new(),
            settled: None,
            most: submit(most),
            more: submit(more),
            code: "invalid",
            told: limit.problem().to_owned(),
            recorded: true,
        }
    }

    fn after(self, before: Vec<Asked>) -> Case {
        Case { before, ..self }
    }
}

fn create(name: &str) -> Asked {
    Asked::CreateCluster(cluster(name))
}

fn with(name: &str, change: impl FnOnce(&mut v1::ClusterSpec)) -> Asked {
    Asked::CreateCluster(changed(name, change))
}

fn node(cluster: &str, n: usize, role: v1::Role) -> Asked {
    let (cluster, name) = (cluster.to_owned(), format!("n-{n}"));
    Asked::AddNode(v1::AddNode { cluster, name, role: role.into(), ..v1::AddNode::default() })
}

fn scale(cluster: &str, n: usize) -> Asked {
    let (name, api_servers) = (cluster.to_owned(), u32::try_from(n).ok());
    Asked::ScaleCluster(v1::ScaleCluster { name, api_servers, ..v1::ScaleCluster::default() })
}

/// A cluster that machines can join.
fn joinable(name: &str) -> Vec<Asked> {
    let (cluster, cni) = (name.to_owned(), v1::Cni::Flannel.into());
    let addons = Some(v1::Addons { cni, kube_proxy: true, dns: true });
    vec![create(name), Asked::SetAddons(v1::SetAddons { cluster, addons })]
}

fn token(cluster: &str, life_ms: u64, description: String) -> Asked {
    let cluster = cluster.to_owned();
    Asked::CreateJoinToken(v1::CreateJoinToken { cluster, description, life_ms, expires_ms: 0 })
}

fn sans(cluster: &str, extra_sans: Vec<String>) -> Asked {
    Asked::SetExtraSans(v1::SetExtraSans { cluster: cluster.to_owned(), extra_sans })
}

fn endpoint(cluster: &str, host: String, port: u32) -> Asked {
    let endpoint = Some(v1::Endpoint { host, port, forwarded: true });
    Asked::SetEndpoint(v1::SetEndpoint { cluster: cluster.to_owned(), endpoint })
}

/// A host's name of so many bytes; names of another letter differ.
fn host(letter: &str, bytes: usize) -> String {
    let labels = (bytes - 1) / 50;
    let last = letter.repeat(bytes - 50 * labels);
    format!("{}{last}", format!("{}.", letter.repeat(49)).repeat(labels))
}

fn backups(cluster: &str, every_ms: usize) -> Asked {
    let (name, every_ms) = (cluster.to_owned(), every_ms as u64);
    Asked::ScheduleBackups(v1::ScheduleBackups { name, every_ms, keep: 1 })
}

fn import(name: &str, bytes: usize) -> Asked {
    let (name, spec, file) = (name.to_owned(), cluster(name).spec, "a".repeat(bytes));
    Asked::ImportCluster(v1::ImportCluster { name, spec, file, sha256: String::new() })
}

fn share(name: &str, ports: u32) -> Asked {
    let (name, ports) = (name.to_owned(), (30_000..30_000 + ports).collect());
    Asked::SharePorts(v1::SharePorts { name, ports })
}

/// A request made so many seconds ahead of the clock.
fn ahead(name: &str, seconds: usize) -> Result<SubmitRequest, Error> {
    let made = uuid::Timestamp::from_unix(uuid::NoContext, now_ms()? / 1000 + seconds as u64, 0);
    let command_id = Uuid::new_v7(made).to_string();
    Ok(SubmitRequest { command_id, ..submit(create(name)) })
}

/// The case of a limit. A new limit does not compile without one.
pub fn of(limit: Limit, door: &Door) -> Result<Case, Error> {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let n = limit.bound();
    let name = format!("{}-{limit:?}", door.name()).to_lowercase();
    let (name, other) = (name.as_str(), format!("{name}-more"));
    let case = |most, more| Case::new(limit, most, more);
    // Users of a cluster of the limit's own.
    let issuers = |change: &dyn Fn(&mut v1::Issuer, usize)| {
        let with = |n| {
            let mut issuer = issuer(0);
            change(&mut issuer, n);
            users(name, vec![issuer])
        };
        case(with(n), with(n + 1)).after(vec![create(name)])
    };
    let claim = |n: usize| v1::RequiredClaim { claim: format!("claim-{n}"), value: "a".to_owned() };
    Ok(match limit {
        Limit::Request => {
            let (code, told) = door.too_large();
            let recorded = code == "too-large";
            let [most, more] = [n * 1024, n * 1024 + 1].map(|bytes| large::request(name, bytes));
            let (most, more) = (most?, more?);
            let case = case(create(name), create(name)).after(vec![create(name)]);
            Case { most, more, code, told, recorded, ..case }
        }
        Limit::Actor => {
            let by = |name, n| SubmitRequest { actor: door.actor(n), ..submit(create(name)) };
            let (most, more) = (by(name, n), by(other.as_str(), n + 1));
            Case { most, more, code: "malformed", ..case(create(name), create(name)) }
        }
        Limit::ClockAhead => {
            // Time goes on meanwhile.
            let (most, more) = (ahead(name, n - 5)?, ahead(&other, n + 30)?);
            Case { most, more, code: "malformed", ..case(create(name), create(name)) }
        }
        Limit::Name => {
            let named = |n: usize| create(&format!("{:a<n$}", door.name()));
            Case { code: "malformed", ..case(named(n), named(n + 1)) }
        }
        Limit::Nodes => {
            let node = |n| node(name, n, v1::Role::ControlPlaneIngress);
            let before = [create(name)].into_iter().chain((1..n).map(node)).collect();
            case(node(n), node(n + 1)).after(before)
        }
        Limit::ApiServers => {
            let roles = [v1::Role::ControlPlane, v1::Role::ControlPlaneIngress];
            let nodes = (1..).zip(roles).map(|(n, role)| node(name, n, role));
            let before = [create(name)].into_iter().chain(nodes).collect();
            let case = case(scale(name, n), scale(name, n + 1)).after(before);
            Case { settled: Some(name.to_owned()), ..case }
        }
        Limit::DnsDomain => {
            let create = |name, n| with(name, |s| s.dns_domain = host("a", n));
            case(create(name, n), create(&other, n + 1))
        }
        Limit::HostName => {
            let most = endpoint(name, host(&name[..1], n), 443);
            case(most, endpoint(name, host("a", n + 1), 443)).after(vec![create(name)])
        }
        Limit::ExtraSans => {
            let names = |n: usize| (0..n).map(|n| format!("a-{n}")).collect::<Vec<_>>();
            let create = |name, n| with(name, |s| s.extra_sans = names(n));
            case(create(name, n), create(&other, n + 1))
        }
        // As many nodes as there may be get certificates with as many names as there may be.
        Limit::ExtraSansText => {
            let node = |n| node(name, n, v1::Role::ControlPlane);
            let before = [create(name)].into_iter().chain((0..Limit::Nodes.bound()).map(node));
            let case = case(sans(name, large::names(n)), sans(name, large::names(n + 1)));
            let case = case.after(before.collect());
            Case { settled: Some(name.to_owned()), ..case }
        }
        Limit::JoinTokens => {
            let token = || token(name, DAY_MS, String::new());
            let before = joinable(name).into_iter().chain((1..n).map(|_| token()));
            case(token(), token()).after(before.collect())
        }
        Limit::TokenDescription => {
            let token = |n| token(name, DAY_MS, "ж".repeat(n));
            case(token(n), token(n + 1)).after(joinable(name))
        }
        Limit::TokenLife => {
            let most = n as u64 * DAY_MS;
            let token = |life_ms| token(name, life_ms, String::new());
            case(token(most), token(most + 1)).after(joinable(name))
        }
        Limit::Issuers => {
            let users = |n| users(name, (0..n).map(issuer).collect());
            case(users(n), users(n + 1)).after(vec![create(name)])
        }
        Limit::Audiences => issuers(&|i, n| i.audiences = (0..n).map(|n| n.to_string()).collect()),
        Limit::RequiredClaims => issuers(&|i, n| i.required_claims = (0..n).map(claim).collect()),
        Limit::Url => issuers(&|i, n| i.url = format!("{:a<n$}", "https://id.test/")),
        Limit::ClaimText => issuers(&|i, n| i.audiences = vec!["a".repeat(n)]),
        Limit::Prefix => issuers(&|i, n| {
            let (claim, prefix) = ("groups".to_owned(), "a".repeat(n));
            i.groups = Some(v1::ClaimMapping { claim, prefix });
        }),
        Limit::SharedPorts => {
            let host = v1::RegisterHypervisor {
                name: name.to_owned(),
                cri_endpoint: format!("unix:///nowhere/{name}.sock"),
                ..hypervisor()
            };
            let ports = u32::try_from(n)?;
            let case = case(share(name, ports), share(name, ports + 1));
            case.after(vec![Asked::RegisterHypervisor(host)])
        }
        Limit::BackupInterval => {
            let case = case(backups(name, n * 1000), backups(name, n * 1000 - 1));
            case.after(vec![create(name)])
        }
        Limit::SnapshotFile => case(import(name, n), import(&other, n + 1)),
    })
}

/// Numbers that have a first and a last: both ends, and what lies beyond.
pub fn ranges(door: &Door) -> Vec<Case> {
    let door = door.name();
    let case = |what: &str, told: &str, most: Asked, more: Asked| Case {
        what: what.to_owned(),
        told: told.to_owned(),
        ..Case::new(Limit::Name, most, more)
    };
    let name = |what: &str| format!("{door}-{what}");
    let pods = |what: &str, cidr: &str| with(&name(what), |s| s.pod_cidr = cidr.to_owned());
    let services = |what: &str, cidr: &str| with(&name(what), |s| s.service_cidr = cidr.to_owned());
    let tunnel = |what: &str, cidr: &str| {
        let (cluster, cidr) = (name(what), cidr.to_owned());
        Asked::EnableTunnel(v1::EnableTunnel { cluster, cidr })
    };
    let tunnels = |what: &str, most: &str, more: &str| {
        let other = format!("{what}-more");
        let before = [joinable(&name(what)), joinable(&name(&other))].concat();
        let told = "8 to 28 bits";
        case("tunnel CIDR", told, tunnel(what, most), tunnel(&other, more)).after(before)
    };
    let label = |n: usize| sans(&name("label"), vec!["a".repeat(n)]);
    let port = |what: &str, n| endpoint(&name(what), format!("{}.test", name(what)), n);
    let (pod_bits, service_bits) = ("up to 16 bits shorter", "4 to 20 bits");
    let ports = "use 1 to 65535";
    vec![
        case("pods", pod_bits, pods("pods-8", "11.0.0.0/8"), pods("more", "12.0.0.0/7")),
        case("pods", pod_bits, pods("pods-24", "10.2.3.0/24"), pods("more", "10.2.3.0/25")),
        case(
            "Services",
            service_bits,
            services("services-12", "10.96.0.0/12"),
            services("more", "10.96.0.0/11"),
        ),
        case(
            "Services",
            service_bits,
            services("services-28", "10.96.0.0/28"),
            services("more", "10.96.0.0/29"),
        ),
        tunnels("tunnel-8", "11.0.0.0/8", "12.0.0.0/7"),
        tunnels("tunnel-28", "10.254.0.0/28", "10.254.0.0/29"),
        case("a label", Limit::HostName.problem(), label(63), label(64))
            .after(vec![create(&name("label"))]),
        Case {
            code: "malformed",
            ..case("a port", ports, port("port", 65_535), port("port", 65_536))
                .after(vec![create(&name("port"))])
        },
    ]
}
