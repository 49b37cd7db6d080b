//! Results on stdout.

use crate::flags::Format;
use comfy_table::{ContentArrangement, Table, presets};
use oi_audit::Entry;
use serde::Serialize;
use serde_json::Value;
use std::io::Write;

/// Why a result was not printed.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Nobody reads.
    #[error("stdout")]
    Io(#[from] std::io::Error),
    /// No such form.
    #[error("cannot write JSON")]
    Json(#[from] serde_json::Error),
    /// No such form.
    #[error("cannot write YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
}

/// Prints results in one format.
pub struct Results {
    format: Format,
    out: std::io::BufWriter<std::io::Stdout>,
}

impl Results {
    pub fn new(format: Format) -> Results {
        Results { format, out: std::io::BufWriter::new(std::io::stdout()) }
    }

    /// One result with a few fields.
    pub fn one(&mut self, value: Value) -> Result<(), OutputError> {
        if self.format != Format::Table {
            return self.whole(&value);
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        for (name, field) in value.as_object().into_iter().flatten() {
            let text = match field {
                Value::String(s) => s.clone(),
                Value::Array(a) => a.len().to_string(),
                other => other.to_string(),
            };
            table.add_row([name.clone(), text]);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// One result of any shape; a table cannot hold it and becomes YAML.
    pub fn whole(&mut self, value: &impl Serialize) -> Result<(), OutputError> {
        match self.format {
            Format::Json => writeln!(self.out, "{}", serde_json::to_string_pretty(value)?)?,
            _ => write!(self.out, "{}", serde_yaml_ng::to_string(value)?)?,
        }
        Ok(())
    }

    /// One of many: a line of JSON, a YAML document, or a row.
    pub fn line(&mut self, e: &Entry) -> Result<(), OutputError> {
        match self.format {
            Format::Json => writeln!(self.out, "{}", serde_json::to_string(e)?)?,
            Format::Yaml => write!(self.out, "---\n{}", serde_yaml_ng::to_string(e)?)?,
            Format::Table => {
                let about = [&e.cluster, &e.node, &e.hypervisor];
                let about: Vec<_> =
                    about.into_iter().filter(|s| !s.is_empty()).map(String::as_str).collect();
                writeln!(
                    self.out,
                    "{:>6}  {:<24}  {:<24}  {:<22}  {:<28}  {}",
                    e.position,
                    e.time,
                    e.actor,
                    e.event,
                    about.join("/"),
                    e.summary
                )?;
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        Ok(self.out.flush()?)
    }
}
