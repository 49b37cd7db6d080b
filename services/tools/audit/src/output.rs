//! Results on stdout.

use crate::flags::Format;
use comfy_table::{ContentArrangement, Table, presets};
use oi_inspect::{Entry, TimelineStep};
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
    Yaml(#[from] oi_yaml::Error),
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

    /// The format that was asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), OutputError> {
        Ok(write!(self.out, "{text}")?)
    }

    /// A line of JSON.
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), OutputError> {
        Ok(writeln!(self.out, "{}", serde_json::to_string(value)?)?)
    }

    /// One of many with a few fields, on one line for people.
    pub fn record(&mut self, value: &Value) -> Result<(), OutputError> {
        match self.format {
            Format::Json => self.json_line(value),
            Format::Yaml => Ok(write!(self.out, "---\n{}", oi_yaml::to_string(value)?)?),
            Format::Table => {
                let word = |(name, v): (&String, &Value)| match v {
                    Value::String(s) => format!("{name}={s}"),
                    other => format!("{name}={other}"),
                };
                let words: Vec<_> = value.as_object().into_iter().flatten().map(word).collect();
                Ok(writeln!(self.out, "{}", words.join("  "))?)
            }
        }
    }

    /// A step of a timeline, counted from `begin_ms` for people.
    pub fn timeline_step(&mut self, step: &TimelineStep, begin_ms: u64) -> Result<(), OutputError> {
        if self.format != Format::Table {
            return self.record(&serde_json::to_value(step)?);
        }
        let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let took = match step.took_ms {
            0 => String::new(),
            ms => format!("{} s", seconds(ms)),
        };
        let place = match step.hypervisor.as_str() {
            "" => String::new(),
            h => format!(" on {h}"),
        };
        let start = format!("+{}", seconds(step.start_ms.saturating_sub(begin_ms)));
        writeln!(
            self.out,
            "{:>6}  {start:>12}  {took:>10}  {}{place}  ({})",
            step.position, step.what, step.actor
        )?;
        for line in &step.changed {
            writeln!(self.out, "{:34}{line}", "")?;
        }
        Ok(())
    }

    /// Steps from an effect back to its cause.
    pub fn steps(&mut self, steps: &[Value]) -> Result<(), OutputError> {
        if self.format != Format::Table {
            return self.whole(&steps);
        }
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        for step in steps {
            let (position, time) = (text(&step["position"]), text(&step["time"]));
            let (command, actor) = (text(&step["command"]), text(&step["actor"]));
            writeln!(self.out, "{position:>6}  {time}  {command} by {actor}")?;
            for event in step["events"].as_array().into_iter().flatten() {
                writeln!(self.out, "{:8}{}", "", text(event))?;
            }
            writeln!(self.out, "{:8}because {}", "", text(&step["because"]))?;
        }
        Ok(())
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
            _ => write!(self.out, "{}", oi_yaml::to_string(value)?)?,
        }
        Ok(())
    }

    /// One of many: a line of JSON, a YAML document, or a row.
    pub fn line(&mut self, e: &Entry) -> Result<(), OutputError> {
        match self.format {
            Format::Json => writeln!(self.out, "{}", serde_json::to_string(e)?)?,
            Format::Yaml => write!(self.out, "---\n{}", oi_yaml::to_string(e)?)?,
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
