//! Streams of documents, with each kind of marker between them.

/// A stream with a `---` before each document but the first, as `serde_yaml_ng::Deserializer`
/// iterates over it; lines stay where they are. YAML 1.2 (9.1 and 9.2) also has a document that follows `...`
/// without a marker of its own, and a byte order mark before a document.
pub fn documents(stream: &str) -> String {
    let mut marked = String::with_capacity(stream.len());
    // Where the last `...` is, while nothing but comments and directives follow.
    let mut end = None;
    let mut between = true;
    for line in stream.split_inclusive(['\n', '\r']) {
        let bare = line.strip_prefix('\u{FEFF}').unwrap_or(line);
        let begins = is_marker(bare, "---");
        let line = if between || begins { bare } else { line };
        if is_marker(line, "...") {
            (between, end) = (true, Some(marked.len()));
        } else if begins {
            between = false;
        } else if between && is_content(line) {
            between = false;
            if let Some(at) = end {
                marked.replace_range(at..at + 3, "---");
            }
        }
        marked.push_str(line);
    }
    marked
}

/// Whether a line begins with a marker: it is one wherever it stands, in quotes, too.
fn is_marker(line: &str, marker: &str) -> bool {
    let rest = line.strip_prefix(marker);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

/// Whether it belongs to a document: it is no comment and no directive.
fn is_content(line: &str) -> bool {
    let text = line.trim_start();
    !text.is_empty() && !text.starts_with('#') && !line.starts_with('%')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde::Deserialize;
    use serde_yaml_ng::{Deserializer, Value};

    fn read(stream: &str) -> Vec<String> {
        let stream = documents(stream);
        let documents = Deserializer::from_str(&stream);
        let shown = |value: Value| serde_yaml_ng::to_string(&value).unwrap().trim_end().to_owned();
        documents.map(|document| shown(Value::deserialize(document).unwrap())).collect()
    }

    #[test]
    fn documents_are_told_apart_by_each_kind_of_marker() {
        for stream in [
            "a: 1\n---\nb: 2\n",
            "---\na: 1\n---\nb: 2\n...\n",
            "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n",
            "a: 1\n...\nb: 2\n",
            "a: 1\n... # ends\n# begins\n\nb: 2\n",
            "a: 1\n...\n...\nb: 2\n...\n",
            "--- {a: 1}\n--- # comment\nb: 2",
            "a: 1\r\n...\r\nb: 2\r\n",
            "a: 1\r...\rb: 2\r",
            "\u{FEFF}a: 1\n...\n\u{FEFF}b: 2\n",
            "\u{FEFF}---\na: 1\n\u{FEFF}---\nb: 2\n",
        ] {
            assert_eq!(read(stream), ["a: 1", "b: 2"], "{stream:?}");
        }
    }

    #[test]
    fn lines_stay_where_they_are_and_content_as_it_is() {
        let stream = "a: |\n  ...\n  ---\n  %\nb: '... x'\n";
        assert_eq!(documents(stream), stream);
        let lines = documents("a: 1\n...\n# c\nb: 2\n");
        assert_eq!(lines, "a: 1\n---\n# c\nb: 2\n");
    }
}
