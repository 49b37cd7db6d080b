//! A stream of documents, read and written.

use super::{API_VERSION, Document, Metadata};
use serde::{Deserialize, Serialize};

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
    /// A document that `oi` does not know.
    #[error(
        "document {number}, starting at line {line}: {found} is unknown; use apiVersion {API_VERSION} with kind Hypervisor, Cluster or Node"
    )]
    Unknown {
        /// Which document, from 1.
        number: usize,
        /// Its first line, from 1.
        line: usize,
        /// Its apiVersion and kind.
        found: String,
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
    Write(#[source] serde_yaml_ng::Error),
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body<S> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
}

/// Splits at `---` lines; each part with the line (from 0) at which it starts.
fn split(stream: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(0, String::new())];
    for (number, line) in stream.lines().enumerate() {
        let marker = line.strip_prefix("---").is_some_and(|r| r.is_empty() || r.starts_with(' '));
        if marker {
            parts.push((number + 1, String::new()));
        } else if let Some((_, text)) = parts.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    let blank =
        |text: &str| text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'));
    parts.retain(|(_, text)| !blank(text));
    parts
}

/// Reads all documents of a stream.
///
/// # Errors
/// Names the document and position of the first thing that is not understood.
pub fn read(stream: &str) -> Result<Vec<Document>, ManifestError> {
    // A value that was cut short can be a value still: only its line shows it.
    if !stream.is_empty() && !stream.ends_with('\n') {
        return Err(ManifestError::CutOff { line: stream.lines().count() });
    }
    split(stream)
        .iter()
        .enumerate()
        .map(|(i, (first_line, text))| read_one(i + 1, *first_line, text))
        .collect()
}

fn read_one(number: usize, first_line: usize, text: &str) -> Result<Document, ManifestError> {
    let malformed = |e: serde_yaml_ng::Error| {
        let (line, column) = e.location().map_or((1, 1), |l| (l.line(), l.column()));
        ManifestError::Malformed { number, line: first_line + line, column, problem: e.to_string() }
    };
    let head: Head = serde_yaml_ng::from_str(text).map_err(malformed)?;
    let (api_version, kind) = (head.api_version.unwrap_or_default(), head.kind.unwrap_or_default());
    let unknown = || ManifestError::Unknown {
        number,
        line: first_line + 1,
        found: format!("apiVersion {api_version:?} with kind {kind:?}"),
    };
    if api_version != API_VERSION {
        return Err(unknown());
    }
    match kind.as_str() {
        "Hypervisor" => body(text).map(|b| Document::Hypervisor(b.metadata, b.spec)),
        "Cluster" => body(text).map(|b| Document::Cluster(b.metadata, b.spec)),
        "Node" => body(text).map(|b| Document::Node(b.metadata, b.spec)),
        _ => return Err(unknown()),
    }
    .map_err(malformed)
}

fn body<S: for<'de> Deserialize<'de>>(text: &str) -> Result<Body<S>, serde_yaml_ng::Error> {
    serde_yaml_ng::from_str(text)
}

/// Writes documents as one stream that [`read`] accepts.
///
/// # Errors
/// Where YAML cannot be written.
pub fn write(documents: &[Document]) -> Result<String, ManifestError> {
    fn one<S: Serialize + Clone>(
        kind: &str,
        m: &Metadata,
        spec: &S,
    ) -> Result<String, ManifestError> {
        serde_yaml_ng::to_string(&Body {
            api_version: API_VERSION.to_owned(),
            kind: kind.to_owned(),
            metadata: m.clone(),
            spec: spec.clone(),
        })
        .map_err(ManifestError::Write)
    }
    let mut stream = String::new();
    for document in documents {
        let text = match document {
            Document::Hypervisor(m, s) => one("Hypervisor", m, s)?,
            Document::Cluster(m, s) => one("Cluster", m, s)?,
            Document::Node(m, s) => one("Node", m, s)?,
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

    const NODE: &str = "apiVersion: oi/v1\nkind: Node\nmetadata: {name: a}\nspec: {cluster: test, role: controlplane}\n";

    #[test]
    fn what_is_written_is_read_back() {
        let documents = read(&format!("# comment\n---\n{NODE}---\n---\n{NODE}")).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(read(&write(&documents).unwrap()).unwrap(), documents);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_its_line() {
        let error =
            read(&format!("{NODE}---\napiVersion: v1\nkind: Pod\n")).unwrap_err().to_string();
        assert!(
            error.contains("document 2, starting at line 6") && error.contains("\"Pod\""),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_field_or_truncated_text_is_refused_with_its_position() {
        let error = read(&NODE.replace("role:", "roll:")).unwrap_err().to_string();
        assert!(error.contains("document 1, line 4"), "{error}");
        for cut in 1..NODE.len() {
            read(&format!("{NODE}---\n{}", &NODE[..cut])).unwrap_err();
        }
        let error = read(&format!("{NODE}---\n{}\n", &NODE[..60])).unwrap_err().to_string();
        assert!(error.contains("document 2, line"), "{error}");
    }
}
