//! A stream of documents, read and written.

use super::{Document, Metadata};
use serde::{Deserialize, Serialize};
use serde_yaml_ng::{Deserializer, Error};

/// Why a stream of documents was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not YAML, or not of the kind's form.
    #[error("document {number}, line {line}, column {column}: {problem}")]
    Malformed {
        /// Which document, from 1.
        number: usize,
        /// Line in the whole stream, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// The last line does not end: something is missing.
    #[error(
        "line {line}, the last one, does not end with a newline: the input looks cut off; if it is not, end it with a newline"
    )]
    CutOff {
        /// The last line, from 1.
        line: usize,
    },
    /// A document cannot be written.
    #[error("cannot write a document")]
    Write(#[source] Error),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum ApiVersion {
    #[serde(rename = "oi/v1")]
    V1,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kind {
    Hypervisor,
    Cluster,
    Node,
}

/// What says how the rest of a document is read.
#[derive(Deserialize)]
#[serde(expecting = "a document with apiVersion, kind, metadata and spec")]
struct Head {
    #[serde(rename = "apiVersion")]
    _api_version: ApiVersion,
    kind: Kind,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body<S> {
    api_version: ApiVersion,
    kind: Kind,
    metadata: Metadata,
    spec: S,
}

/// Characters of a problem that are shown.
const PROBLEM: usize = 400;

/// Refuses what another program was about to write when it ended: a value that was cut short can
/// be a value still, and only its line shows it.
///
/// # Errors
/// [`ManifestError::CutOff`].
pub fn check_end(stream: &str) -> Result<(), ManifestError> {
    if stream.is_empty() || stream.ends_with(['\n', '\r']) {
        return Ok(());
    }
    Err(ManifestError::CutOff { line: stream.lines().count() })
}

/// Reads all documents of a YAML 1.2 stream. Those that hold nothing are left out.
///
/// # Errors
/// Names the document and position of the first thing that is not understood.
pub fn read(stream: &str) -> Result<Vec<Document>, ManifestError> {
    let stream = oi_yaml::documents(stream);
    let mut kinds = Vec::new();
    for (index, document) in Deserializer::from_str(&stream).enumerate() {
        let head = Option::<Head>::deserialize(document).map_err(|e| malformed(index, &e))?;
        kinds.push(head.map(|head| head.kind));
    }
    let mut documents = Vec::new();
    for (index, (document, kind)) in Deserializer::from_str(&stream).zip(kinds).enumerate() {
        let Some(kind) = kind else { continue };
        let read = match kind {
            Kind::Hypervisor => body(document).map(|(m, spec)| Document::Hypervisor(m, spec)),
            Kind::Cluster => body(document).map(|(m, spec)| Document::Cluster(m, spec)),
            Kind::Node => body(document).map(|(m, spec)| Document::Node(m, spec)),
        };
        documents.push(read.map_err(|e| malformed(index, &e))?);
    }
    Ok(documents)
}

fn malformed(index: usize, error: &Error) -> ManifestError {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let said = error.to_string();
    let problem = said.strip_suffix(&format!(" at line {line} column {column}"));
    // It may name a value, which may be of any length.
    let problem = problem.unwrap_or(&said).chars().take(PROBLEM).collect();
    ManifestError::Malformed { number: index + 1, line, column, problem }
}

fn body<'de, S: Deserialize<'de>>(document: Deserializer<'de>) -> Result<(Metadata, S), Error> {
    Body::deserialize(document).map(|body| (body.metadata, body.spec))
}

/// Writes documents as one stream that [`read`] accepts.
///
/// # Errors
/// Where YAML cannot be written.
pub fn write(documents: &[Document]) -> Result<String, ManifestError> {
    fn one<S: Serialize>(kind: Kind, m: &Metadata, spec: &S) -> Result<String, ManifestError> {
        let (api_version, metadata) = (ApiVersion::V1, m.clone());
        oi_yaml::to_string(&Body { api_version, kind, metadata, spec })
            .map_err(ManifestError::Write)
    }
    let mut stream = String::new();
    for document in documents {
        let text = match document {
            Document::Hypervisor(m, s) => one(Kind::Hypervisor, m, s)?,
            Document::Cluster(m, s) => one(Kind::Cluster, m, s)?,
            Document::Node(m, s) => one(Kind::Node, m, s)?,
        };
        stream.push_str("---\n");
        stream.push_str(&text);
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::manifest::Networking;

    const NODE: &str = "apiVersion: oi/v1\nkind: Node\nmetadata: {name: a}\nspec: {cluster: test, role: controlplane}\n";

    #[test]
    fn what_is_written_is_read_back() {
        let documents = read(&format!("# comment\n---\n{NODE}---\n---\n{NODE}")).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(read(&write(&documents).unwrap()).unwrap(), documents);
    }

    #[test]
    fn names_that_yaml_has_other_uses_for_are_written_in_quotes() {
        for name in ["null", "true", "no", "on", "1e3", "0x1f", "007", "123", "2026-11-28"] {
            let quoted = NODE.replace("name: a", &format!("name: '{name}'"));
            let documents = read(&quoted).unwrap();
            let written = write(&documents).unwrap();
            assert!(written.contains(&format!("name: '{name}'\n")), "{written}");
            assert_eq!(read(&written).unwrap(), documents);
        }
    }

    #[test]
    fn each_form_of_a_stream_is_read() {
        let one = read(NODE).unwrap();
        for stream in [
            format!("%YAML 1.2\n---\n{NODE}"),
            format!("%YAML 1.1\n---\n{NODE}...\n"),
            format!("\u{FEFF}---\n{NODE}"),
            NODE.replace('\n', "\r\n"),
            NODE.trim_end().to_owned(),
            format!("--- # comment\n{NODE}"),
            "--- {apiVersion: oi/v1, kind: Node, metadata: {name: a}, spec: {cluster: test, role: controlplane}}".to_owned(),
        ] {
            assert_eq!(read(&stream).unwrap(), one, "{stream:?}");
        }
        let two = [one.clone(), one].concat();
        for between in ["---\n", "...\n", "...\n---\n", "...\n%YAML 1.2\n---\n", "...\n\u{FEFF}"] {
            assert_eq!(read(&format!("{NODE}{between}{NODE}")).unwrap(), two, "{between:?}");
        }
        assert!(read("# nothing\n---\n...\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_line() {
        for (wrong, at, about) in [
            ("apiVersion: v1\nkind: Pod\n", "document 2, line 6", "`v1`"),
            ("apiVersion: oi/v1\nkind: Pod\n", "document 2, line 7", "`Pod`"),
            ("apiVersion: oi/v1\n", "document 2, line 6", "`kind`"),
            ("a text\n", "document 2, line 6", "a document with apiVersion"),
            ("- apiVersion: oi/v1\n", "document 2, line 6", ""),
            ("a: [\n", "document 2, line", ""),
        ] {
            let error = read(&format!("{NODE}---\n{wrong}")).unwrap_err().to_string();
            assert!(error.contains(at) && error.contains(about), "{error}");
        }
        let error = read(&format!("{NODE}...\n%YAML 2.0\n---\n{NODE}")).unwrap_err().to_string();
        assert!(error.contains("line 6") && error.contains("incompatible"), "{error}");
    }

    #[test]
    fn what_networking_leaves_out_has_its_default() {
        let stream = "apiVersion: oi/v1\nkind: Cluster\nmetadata: { name: a }\nspec:\n  \
            kubernetesVersion: v1.36.3\n  networking: { dnsDomain: example.local }\n";
        let Document::Cluster(_, spec) = &read(stream).unwrap()[0] else { panic!() };
        let expected =
            Networking { dns_domain: "example.local".to_owned(), ..Networking::default() };
        assert_eq!(spec.networking, expected);
    }

    #[test]
    fn an_unknown_field_or_truncated_text_is_refused_with_its_position() {
        let error = read(&NODE.replace("role:", "roll:")).unwrap_err().to_string();
        assert!(error.contains("document 1, line 4"), "{error}");
        for cut in 1..NODE.len() {
            let stream = format!("{NODE}---\n{}", &NODE[..cut]);
            check_end(&stream).and_then(|()| read(&stream)).unwrap_err();
        }
        let error = read(&format!("{NODE}---\n{}\n", &NODE[..60])).unwrap_err().to_string();
        assert!(error.contains("document 2, line"), "{error}");
    }
}
