//! Manifests on stdin and in files, and what several of them must agree on.

use crate::error::Failure;
use oi_proto::manifest::{self, Document};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;

/// Reads all documents of a file, or of stdin for `-`; a terminal has none. What comes from
/// another program must end with its last line.
///
/// # Errors
/// Where something is not understood: with its position.
pub fn read(path: &Path) -> Result<Vec<Document>, Failure> {
    let stdin = std::io::stdin();
    let (what, input) = if path != Path::new("-") {
        (path.display().to_string(), File::open(path))
    } else if stdin.is_terminal() {
        return Ok(Vec::new());
    } else {
        ("stdin".to_owned(), stdin.as_fd().try_clone_to_owned().map(File::from))
    };
    let read = |mut input: File| -> std::io::Result<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        Ok((bytes, input.metadata()?.is_file()))
    };
    let (bytes, is_file) =
        input.and_then(read).map_err(|source| Failure::Io { what: what.clone(), source })?;
    let text = oi_yaml::text(&bytes).map_err(|source| Failure::Text { what, source })?;
    if !is_file {
        manifest::check_end(&text)?;
    }
    Ok(manifest::read(&text)?)
}

/// Adds documents to those on stdin, and prints all of them.
///
/// # Errors
/// Where a name is taken, or a cluster is not there.
pub fn inject(new: Vec<Document>) -> Result<(), Failure> {
    let all = add(read(Path::new("-"))?, new)?;
    crate::output::print(&manifest::write(&all)?)
}

/// Which documents cannot both stand in one stream.
fn identity(document: &Document) -> String {
    match document {
        Document::Hypervisor(m, _) => format!("hypervisor {}", m.name),
        Document::Cluster(m, _) => format!("cluster {}", m.name),
        Document::Node(m, spec) => format!("node {} of cluster {}", m.name, spec.cluster),
    }
}

fn add(mut documents: Vec<Document>, new: Vec<Document>) -> Result<Vec<Document>, Failure> {
    check(&documents)?;
    for new in new {
        if documents.iter().any(|d| identity(d) == identity(&new)) {
            return Err(Failure::Input(format!(
                "{} is declared already: choose another name",
                identity(&new)
            )));
        }
        documents.push(new);
    }
    check(&documents)?;
    Ok(documents)
}

/// Refuses doubled names, and nodes of clusters that no document declares.
///
/// # Errors
/// Names the first one.
pub fn check(documents: &[Document]) -> Result<(), Failure> {
    for (i, document) in documents.iter().enumerate() {
        if documents[..i].iter().any(|d| identity(d) == identity(document)) {
            return Err(Failure::Input(format!("{} is declared twice", identity(document))));
        }
        let Document::Node(_, spec) = document else { continue };
        let declared = documents
            .iter()
            .any(|d| matches!(d, Document::Cluster(m, _) if m.name == spec.cluster));
        if !declared {
            return Err(Failure::Input(format!(
                "{} belongs to a cluster that no document declares: inject the cluster first",
                identity(document)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn documents(yaml: &[&str]) -> Vec<Document> {
        let one = |yaml: &&str| format!("---\n{yaml}\n");
        manifest::read(&yaml.iter().map(one).collect::<String>()).unwrap()
    }

    const CLUSTER: &str = "{apiVersion: oi/v1, kind: Cluster, metadata: {name: a}, spec: {kubernetesVersion: v1.36.3}}";
    const NODE: &str = "{apiVersion: oi/v1, kind: Node, metadata: {name: cp}, spec: {cluster: a, role: controlplane}}";

    fn refused(there: &[&str], new: &[&str]) -> String {
        add(documents(there), documents(new)).unwrap_err().to_string()
    }

    #[test]
    fn documents_are_added_to_those_that_they_fit() {
        let all = add(documents(&[CLUSTER]), documents(&[NODE])).unwrap();
        assert_eq!(all, documents(&[CLUSTER, NODE]));
    }

    #[test]
    fn a_name_is_declared_once() {
        assert!(refused(&[CLUSTER], &[CLUSTER]).contains("cluster a is declared already"));
        assert!(refused(&[CLUSTER, CLUSTER], &[]).contains("cluster a is declared twice"));
    }

    #[test]
    fn a_node_needs_its_clusters_document() {
        assert!(refused(&[], &[NODE]).contains("a cluster that no document declares"));
    }
}
