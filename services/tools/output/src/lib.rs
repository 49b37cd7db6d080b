//! How programs print results: the formats, which all of them share, and tables.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

/// Why a result was not printed.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Stdout refuses it.
    #[error("stdout")]
    Io(#[from] std::io::Error),
    /// It has no form in JSON.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
    /// It has no form in YAML.
    #[error("cannot write YAML")]
    Yaml(#[from] oi_yaml::Error),
}

impl OutputError {
    /// Whether the reader of stdout has closed it, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, OutputError::Io(e) if e.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// A value as a document: JSON or YAML. A value of any shape fits no table, so it becomes YAML.
///
/// # Errors
/// Where the value has no such form.
pub fn document(format: OutputFormat, value: &impl Serialize) -> Result<String, OutputError> {
    Ok(match format {
        OutputFormat::Json => format!("{}\n", serde_json::to_string_pretty(value)?),
        OutputFormat::Yaml | OutputFormat::Table => oi_yaml::to_string(value)?,
    })
}

/// Rows in columns, below a header if there is one.
pub fn table(header: Option<Vec<String>>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Prints on stdout.
///
/// # Errors
/// Where nobody reads.
pub fn print(text: &str) -> Result<(), OutputError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_table_has_columns_and_no_trailing_space() {
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let rows = vec![words(&["a", "longer"]), words(&["much longer", "b"])];
        assert_eq!(
            table(Some(words(&["NAME", "KIND"])), rows.clone()),
            "NAME         KIND\na            longer\nmuch longer  b\n"
        );
        assert_eq!(table(None, rows), "a            longer\nmuch longer  b\n");
    }

    #[test]
    fn a_document_is_json_or_yaml() {
        let value = std::collections::BTreeMap::from([("a", 1)]);
        assert_eq!(document(OutputFormat::Json, &value).unwrap(), "{\n  \"a\": 1\n}\n");
        assert_eq!(document(OutputFormat::Yaml, &value).unwrap(), "a: 1\n");
        assert_eq!(document(OutputFormat::Table, &value).unwrap(), "a: 1\n");
        assert_eq!(document(OutputFormat::Yaml, &"no").unwrap(), "'no'\n");
    }
}
