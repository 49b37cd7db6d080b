//! What differs between two states.

use crate::render::{RenderError, content};
use crate::time::rfc3339;
use oi_domain::State;
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub struct Side {
    /// The moment that it shows.
    pub title: String,
    /// What it shows.
    pub value: Value,
}

impl Side {
    /// A state, or one cluster of it; null if there is no such cluster.
    ///
    /// # Errors
    /// [`RenderError::Json`].
    pub fn of(state: &State, cluster: Option<&str>) -> Result<Side, RenderError> {
        let title = format!("position {} ({})", state.position, rfc3339(state.time_ms));
        let all = content(state)?;
        let value = match cluster {
            None => all,
            Some(name) => all["clusters"].get(name).cloned().unwrap_or(Value::Null),
        };
        Ok(Side { title, value })
    }

    /// As YAML; empty if there is nothing.
    ///
    /// # Errors
    /// [`RenderError::Yaml`].
    pub fn yaml(&self) -> Result<String, RenderError> {
        match &self.value {
            Value::Null => Ok(String::new()),
            value => Ok(serde_yaml_ng::to_string(value)?),
        }
    }
}

/// One place at which two values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The fields that lead there, separated by `/`.
    pub path: String,
    /// What was there; absent if there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there; absent if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// All places at which two values differ, in the order of their paths.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<Change>) {
    if before == after {
        return;
    }
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (before, after) {
        let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            compare(&path, a.get(name), b.get(name), out);
        }
        return;
    }
    out.push(Change { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
}

/// Two texts as a unified diff, coloured on request; empty if they are equal.
pub fn unified(before: (&str, &str), after: (&str, &str), colour: bool) -> String {
    let diff = TextDiff::from_lines(before.1, after.1);
    let mut text = String::new();
    let mut line = |code: &str, content: &str| {
        if colour && !code.is_empty() {
            text.push_str(&format!("\x1b[{code}m{content}\x1b[0m\n"));
        } else {
            text.push_str(&format!("{content}\n"));
        }
    };
    let mut unified = diff.unified_diff();
    let mut hunks = unified.context_radius(4).iter_hunks().peekable();
    if hunks.peek().is_none() {
        return text;
    }
    line("1", &format!("--- {}", before.0));
    line("1", &format!("+++ {}", after.0));
    for hunk in hunks {
        line("36", &hunk.header().to_string());
        for change in hunk.iter_changes() {
            let (sign, code) = match change.tag() {
                ChangeTag::Delete => ('-', "31"),
                ChangeTag::Insert => ('+', "32"),
                ChangeTag::Equal => (' ', ""),
            };
            line(code, format!("{sign}{}", change.value()).trim_end_matches('\n'));
        }
    }
    text
}
