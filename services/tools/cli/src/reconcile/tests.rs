//! What is still to be done for documents, and what is told.
#![allow(clippy::unwrap_used)]

use super::known::Known;
use super::{members, missing, prune};
use oi_proto::manifest::{self, Document};
use oi_proto::v1::{self, NodePhase, Role};

/// Hypervisor h, which shares a port, and cluster a with the nodes cp and lb, an endpoint, an
/// issuer and add-ons.
const DOCUMENTS: &str = "
apiVersion: oi/v1
kind: Hypervisor
metadata: {name: h}
spec: {criEndpoint: unix:///s, address: 10.0.0.1, portRange: {low: 1, high: 9}, sharedPorts: [443]}
---
apiVersion: oi/v1
kind: Cluster
metadata: {name: a}
spec:
  kubernetesVersion: v1.36.3
  extraSans: [a.test, b.test]
  addons: {cni: flannel}
  endpoint: {host: a.test, port: 443}
  authentication:
    jwt:
    - issuer: {url: https://id.test, audiences: [k8s]}
      claimMappings: {username: {claim: sub, prefix: ''}}
---
apiVersion: oi/v1
kind: Node
metadata: {name: cp}
spec: {cluster: a, role: controlplane, hypervisor: h}
---
apiVersion: oi/v1
kind: Node
metadata: {name: lb}
spec: {cluster: a, role: controlplane-ingress}
";

fn read(text: &str) -> Vec<Document> {
    manifest::read(text).unwrap()
}

fn node(name: &str, role: Role, predecessors: &[&str]) -> v1::Node {
    v1::Node {
        cluster: "a".to_owned(),
        name: name.to_owned(),
        role: role.into(),
        hypervisor: "h".to_owned(),
        phase: NodePhase::Ready.into(),
        predecessors: predecessors.iter().map(|n| (*n).to_owned()).collect(),
        ..Default::default()
    }
}

/// All that [`DOCUMENTS`] declare, as it is there.
struct There {
    hypervisor: v1::Hypervisor,
    cluster: v1::Cluster,
    nodes: Vec<v1::Node>,
}

fn there() -> There {
    let documents = read(DOCUMENTS);
    let mut hypervisor = v1::Hypervisor { shared_ports: vec![443], ..Default::default() };
    let mut cluster = v1::Cluster {
        name: "a".to_owned(),
        phase: v1::ClusterPhase::Ready.into(),
        ..Default::default()
    };
    for document in &documents {
        match document {
            Document::Hypervisor(m, spec) => hypervisor.spec = Some(spec.register(&m.name)),
            Document::Cluster(_, spec) => {
                cluster.spec = Some(spec.into());
                cluster.addons = spec.addons.map(Into::into);
                cluster.own_endpoint = spec.endpoint.as_ref().map(Into::into);
                let issuers = spec.authentication.iter().flat_map(|a| &a.jwt).map(Into::into);
                cluster.authentication =
                    Some(v1::Authentication { issuers: issuers.collect(), servers_behind: 0 });
            }
            Document::Node(..) => {}
        }
    }
    let nodes =
        vec![node("cp", Role::ControlPlane, &[]), node("lb", Role::ControlPlaneIngress, &[])];
    There { hypervisor, cluster, nodes }
}

impl There {
    fn known(&self, documents: &[Document]) -> Known {
        let (hypervisor, cluster) = (self.hypervisor.clone(), self.cluster.clone());
        Known::new(documents, vec![hypervisor], vec![cluster], self.nodes.clone())
    }

    /// What is to be done for documents, in words; or why it is refused.
    fn todo(&self, text: &str) -> Result<Vec<String>, String> {
        let documents = read(text);
        let missing = missing(&self.known(&documents), &documents).map_err(|e| e.to_string())?;
        Ok(missing.into_iter().flatten().map(|step| step.done).collect())
    }

    fn notes(&self, text: &str) -> Vec<String> {
        let documents = read(text);
        self.known(&documents).notes(&documents)
    }

    fn surplus(&self, text: &str) -> Vec<String> {
        let documents = read(text);
        let surplus = self.known(&documents).surplus(&documents);
        surplus.into_iter().map(|n| n.name).collect()
    }
}

fn without(part: &str) -> String {
    assert!(DOCUMENTS.contains(part), "{part}");
    DOCUMENTS.replace(part, "")
}

const AUTHENTICATION: &str = "  authentication:
    jwt:
    - issuer: {url: https://id.test, audiences: [k8s]}
      claimMappings: {username: {claim: sub, prefix: ''}}
";

#[test]
fn what_is_there_is_not_made_again() {
    assert_eq!(there().todo(DOCUMENTS), Ok(vec![]));
    assert_eq!(there().notes(DOCUMENTS), [] as [&str; 0]);
    let nothing = Known::new(&[], vec![], vec![], vec![]);
    let all = missing(&nothing, &read(DOCUMENTS)).unwrap();
    assert_eq!((all[0].len(), all[1].len()), (2, 6));
}

#[test]
fn a_node_that_took_anothers_place_fulfils_its_document() {
    let mut there = there();
    there.nodes[0] = node("cp-r3", Role::ControlPlane, &["cp-r2", "cp"]);
    there.nodes[1] = node("lb-r2", Role::ControlPlaneIngress, &["lb"]);
    there.nodes[0].hypervisor = "i".to_owned();
    assert_eq!(there.todo(DOCUMENTS), Ok(vec![]));
    let told = "node cp of cluster a: cp-r3 on i took its place; its document says h";
    assert_eq!(there.notes(DOCUMENTS), [told]);
    assert_eq!(there.surplus(DOCUMENTS), [] as [&str; 0]);
    // One that is declared itself stands for nobody else.
    let both = format!("{DOCUMENTS}---\n{}", DOCUMENTS.split("---\n").nth(2).unwrap());
    let both = both.replacen("metadata: {name: cp}", "metadata: {name: cp-r3}", 1);
    let both = both.replace(", hypervisor: h}", "}");
    assert_eq!(there.todo(&both), Ok(vec!["node cp added to cluster a".to_owned()]));
}

#[test]
fn a_replacement_on_its_way_is_nothing_to_do_and_no_surplus() {
    let mut there = there();
    there.nodes.push(node("cp-r2", Role::ControlPlane, &["cp"]));
    assert_eq!(there.todo(DOCUMENTS), Ok(vec![]));
    assert_eq!(there.surplus(DOCUMENTS), [] as [&str; 0]);
    there.nodes[0].phase = NodePhase::Removing.into();
    assert_eq!(there.todo(DOCUMENTS), Ok(vec![]));
}

#[test]
fn a_node_that_goes_is_not_there() {
    let mut there = there();
    there.nodes[0].phase = NodePhase::Removing.into();
    let refused = there.todo(DOCUMENTS).unwrap_err();
    assert!(refused.contains("node cp of cluster a is being removed: wait"), "{refused}");
}

#[test]
fn a_node_may_be_anywhere_unless_its_place_is_named() {
    let open = DOCUMENTS.replace(", hypervisor: h}", "}");
    let mut there = there();
    there.nodes[0].hypervisor = "i".to_owned();
    assert_eq!(there.todo(&open), Ok(vec![]));
    let elsewhere = there.todo(DOCUMENTS).unwrap_err();
    assert!(elsewhere.contains("it is controlplane on i"), "{elsewhere}");
    there.nodes[0].role = Role::ApiServer.into();
    assert!(there.todo(&open).is_err());
}

#[test]
fn settings_that_a_document_no_longer_has_are_taken_away() {
    let there = there();
    let done = |part| there.todo(&without(part)).unwrap();
    for (part, about) in [
        (AUTHENTICATION, "issuers of users' tokens taken away"),
        ("  endpoint: {host: a.test, port: 443}\n", "its own endpoint taken away"),
        ("  addons: {cni: flannel}\n", "add-ons taken away"),
        ("  extraSans: [a.test, b.test]\n", "no further names in certificates"),
    ] {
        let done = done(part);
        assert!(done.len() == 1 && done[0].contains(about), "{done:?}");
    }
    // Where there is nothing, nothing is taken away.
    let mut bare = there;
    bare.cluster = v1::Cluster {
        addons: None,
        own_endpoint: None,
        authentication: None,
        ..bare.cluster.clone()
    };
    let text = without(AUTHENTICATION);
    let text = text.replace("  endpoint: {host: a.test, port: 443}\n", "");
    assert_eq!(bare.todo(&text.replace("  addons: {cni: flannel}\n", "")), Ok(vec![]));
    // To keep nothing for worker nodes is something else than to have none.
    let own = text.replace("{cni: flannel}", "{cni: none, kubeProxy: false, dns: false}");
    assert_eq!(bare.todo(&own), Ok(vec!["cluster a: made for worker nodes".to_owned()]));
}

#[test]
fn a_tunnel_stays_and_its_document_says_so() {
    let mut there = there();
    let cidr = "10.254.0.0/16".to_owned();
    there.cluster.tunnel = Some(v1::Tunnel { cidr, ..Default::default() });
    for text in [
        DOCUMENTS.to_owned(),
        DOCUMENTS.replace("  addons", "  tunnel: {cidr: 10.9.0.0/16}\n  addons"),
    ] {
        let refused = there.todo(&text).unwrap_err();
        assert!(refused.contains("write `tunnel: {cidr: 10.254.0.0/16}`"), "{refused}");
    }
    let same = DOCUMENTS.replace("  addons", "  tunnel: {cidr: 10.254.0.0/16}\n  addons");
    assert_eq!(there.todo(&same), Ok(vec![]));
}

#[test]
fn further_names_change_by_document_and_other_ranges_do_not() {
    let there = there();
    let more = DOCUMENTS.replace("[a.test, b.test]", "[a.test, c.test]");
    let done = "cluster a: further names in certificates: a.test, c.test";
    assert_eq!(there.todo(&more), Ok(vec![done.to_owned()]));
    let turned = DOCUMENTS.replace("[a.test, b.test]", "[b.test, a.test]");
    assert_eq!(there.todo(&turned), Ok(vec![]), "their order says nothing");
    let refused = there.todo(&DOCUMENTS.replace("v1.36.3", "v1.36.4")).unwrap_err();
    assert!(refused.contains("the document says kubernetesVersion v1.36.4:"), "{refused}");
    assert!(refused.contains("oi cluster upgrade"), "{refused}");
}

#[test]
fn a_hypervisor_becomes_what_its_document_says() {
    let there = there();
    let wider = DOCUMENTS.replace("high: 9}", "high: 90}, maxNodes: 3");
    let done = "hypervisor h: portRange 1 to 9, maxNodes none became portRange 1 to 90, maxNodes 3";
    assert_eq!(there.todo(&wider), Ok(vec![done.to_owned()]));
    let v6 = DOCUMENTS.replace("10.0.0.1", "'fd00:0::1'");
    let mut other = there;
    other.hypervisor.spec.as_mut().unwrap().address = "fd00::1".to_owned();
    assert_eq!(other.todo(&v6), Ok(vec![]), "an address is the same however it is written");
    let silent = without(", sharedPorts: [443]");
    let told = other.notes(&silent);
    assert!(told.len() == 1 && told[0].contains("shares ports 443"), "{told:?}");
}

#[test]
fn a_cluster_that_goes_or_sleeps_is_not_called_done() {
    let mut there = there();
    for (phase, code) in [
        (v1::ClusterPhase::Deleting, "cluster-deleting"),
        (v1::ClusterPhase::DeletionScheduled, "deletion-scheduled"),
    ] {
        there.cluster.phase = phase.into();
        let refused = there.todo(DOCUMENTS).unwrap_err();
        assert!(refused.starts_with(&format!("refused ({code}): cluster a")), "{refused}");
    }
    there.cluster.phase = v1::ClusterPhase::Hibernated.into();
    assert_eq!(there.todo(DOCUMENTS), Ok(vec![]));
    assert_eq!(
        there.notes(DOCUMENTS),
        ["cluster a: hibernated, left asleep (`oi cluster wake a`)"]
    );
    let refused = there.todo(&without(AUTHENTICATION)).unwrap_err();
    assert!(refused.starts_with("refused (cluster-hibernated): cluster a"), "{refused}");
}

#[test]
fn what_no_document_has_is_left_or_pruned_members_last() {
    let mut there = there();
    there.nodes.insert(0, node("cp-0", Role::ControlPlane, &[]));
    there.nodes.push(node("lb-2", Role::ControlPlaneIngress, &[]));
    assert_eq!(there.surplus(DOCUMENTS), ["lb-2", "cp-0"]);
    let documents = read(DOCUMENTS);
    let surplus = there.known(&documents).surplus(&documents);
    assert!(prune::check(&documents, &surplus).is_ok());
    let refused = prune::check(&documents[..3], &surplus).unwrap_err().to_string();
    assert!(refused.contains("would leave cluster a without any ingress"), "{refused}");
    // API servers that `oi cluster scale` has made are its business, until one is declared.
    there.nodes.push(node("api-1", Role::ApiServer, &[]));
    assert_eq!(there.surplus(DOCUMENTS), ["lb-2", "cp-0"]);
    let server = "---\napiVersion: oi/v1\nkind: Node\nmetadata: {name: api-2}\nspec: {cluster: a, role: apiserver}\n";
    assert_eq!(there.surplus(&format!("{DOCUMENTS}{server}")), ["api-1", "lb-2", "cp-0"]);
    // Two members are left where nothing is pruned.
    assert_eq!(members(&documents, &surplus)["a"], 2);
    assert_eq!(members(&documents, &[])["a"], 1);
    // Clusters that no document names are nobody's business here.
    let other = format!("{}---\n", DOCUMENTS.split("---\n").next().unwrap());
    assert_eq!(there.surplus(&other), [] as [&str; 0]);
}
