//! A state for people and programs: no raw bytes, no bookkeeping.

use oi_domain::State;
use oi_events::Hash;
use serde_json::{Map, Value, json};

/// Why a state cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// It has no form in JSON.
    #[error("the state at position {position} cannot be shown as JSON")]
    Json {
        /// Which state.
        position: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It has no form in YAML.
    #[error("the state cannot be shown as YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
}

/// An array of at least this many numbers below 256 holds bytes.
const BYTES: usize = 16;

/// The value as a byte, if it is one.
fn byte(value: &Value) -> Option<u8> {
    let Ok(byte) = u8::try_from(value.as_u64()?) else { return None };
    Some(byte)
}

fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    if items.len() < BYTES { None } else { items.iter().map(byte).collect() }
}

/// A credential by digests, which show a change, and the end of its validity.
fn credential(fields: &Map<String, Value>) -> Option<Value> {
    let part = |name: &str| -> Option<String> {
        let items = fields.get(name)?.as_array()?;
        let raw: Option<Vec<u8>> = items.iter().map(byte).collect();
        let mut digest = Hash::of(&[b"oi/shown/v1", &raw?]).to_string();
        digest.truncate(16);
        Some(digest)
    };
    let (public, sealed) = (part("public")?, part("sealed")?);
    let until = crate::time::rfc3339(fields.get("not_after_ms")?.as_u64()?);
    Some(json!({"public": public, "sealed": sealed, "notAfter": until}))
}

fn tidy(value: Value) -> Value {
    match value {
        Value::Object(fields) => credential(&fields).unwrap_or_else(|| {
            Value::Object(fields.into_iter().map(|(name, v)| (name, tidy(v))).collect())
        }),
        Value::Array(items) => match bytes(&items) {
            Some(bytes) => Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            None => Value::Array(items.into_iter().map(tidy).collect()),
        },
        other => other,
    }
}

/// A state as JSON: hypervisors, clusters and failures, with position and time.
///
/// # Errors
/// [`RenderError::Json`].
pub fn render(state: &State) -> Result<Value, RenderError> {
    // A copy shares all but the ids of commands and deleted clusters: they are many and not shown.
    let (processed, deleted) = Default::default();
    let state = State { processed, deleted, ..state.clone() };
    let position = state.position;
    let mut value =
        serde_json::to_value(state).map_err(|source| RenderError::Json { position, source })?;
    if let Value::Object(fields) = &mut value {
        fields.remove("processed");
        fields.remove("deleted");
    }
    Ok(tidy(value))
}

/// A rendered state without its position and time: for comparing two states.
///
/// # Errors
/// [`RenderError::Json`].
pub fn content(state: &State) -> Result<Value, RenderError> {
    let mut value = render(state)?;
    if let Value::Object(fields) = &mut value {
        for name in ["position", "head", "time_ms"] {
            fields.remove(name);
        }
    }
    Ok(value)
}
