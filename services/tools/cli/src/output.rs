//! Results as tables, JSON or YAML. What a row holds is the noun's own.

use crate::error::Failure;
use clap::Args;
use oi_output::{OutputFormat, document, table};
use serde_json::Value;

/// In which format.
#[derive(Args, Clone, Copy)]
pub struct Output {
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

impl Output {
    /// Prints a list: rows with the same fields.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn list(self, rows: impl IntoIterator<Item = Value>) -> Result<(), Failure> {
        list(self.output, rows.into_iter().collect())
    }

    /// Prints one thing.
    ///
    /// # Errors
    /// Where nobody reads.
    pub fn one(self, row: Value) -> Result<(), Failure> {
        one(self.output, row)
    }
}

/// Prints on stdout.
///
/// # Errors
/// Where nobody reads.
pub fn print(text: &str) -> Result<(), Failure> {
    Ok(oi_output::print(text)?)
}

/// Prints rows with the same fields.
///
/// # Errors
/// Where nobody reads.
pub fn list(format: OutputFormat, rows: Vec<Value>) -> Result<(), Failure> {
    match format {
        OutputFormat::Table => print(&rows_of(&rows)),
        _ => print(&document(format, &rows)?),
    }
}

/// Prints one thing.
///
/// # Errors
/// Where nobody reads.
pub fn one(format: OutputFormat, row: Value) -> Result<(), Failure> {
    match format {
        OutputFormat::Table => print(&rows_of(&[row])),
        _ => print(&document(format, &row)?),
    }
}

/// A table of what rows have in common with the first one.
fn rows_of(rows: &[Value]) -> String {
    let Some(Value::Object(first)) = rows.first() else { return "none\n".to_owned() };
    // Long values are for the other formats.
    let shown: Vec<&String> = first.keys().filter(|k| *k != "caCertificate").collect();
    let header = shown.iter().map(|k| k.to_uppercase()).collect();
    let cells = |row: &Value| shown.iter().map(|k| cell(row.get(k.as_str()))).collect();
    table(Some(header), rows.iter().map(cells).collect())
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(s)) => s.clone(),
        Some(Value::Object(m)) => {
            m.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
        }
        Some(Value::Array(a)) => {
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            a.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Some(v) => v.to_string(),
    }
}

/// A value of one of the API's enums without its enum's name: `READY` of
/// `NODE_PHASE_READY`, in lower case.
pub fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase().replace('_', "-")
}

/// RFC 3339 in UTC; empty for 0, and as it is after the year 9999.
pub fn moment(ms: u64) -> String {
    match i64::try_from(ms).map(jiff::Timestamp::from_millisecond) {
        _ if ms == 0 => String::new(),
        Ok(Ok(time)) => time.to_string(),
        Ok(Err(_)) | Err(_) => format!("{ms} ms"),
    }
}
