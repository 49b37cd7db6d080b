//! A state for people and programs: no raw bytes, no bookkeeping.

use oi_domain::State;
use oi_events::Hash;
use serde_json::{Map, Value, json};

/// An array of at least this many numbers below 256 holds bytes.
const BYTES: usize = 16;

fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    let byte = |v: &Value| v.as_u64().and_then(|n| u8::try_from(n).ok());
    if items.len() < BYTES { None } else { items.iter().map(byte).collect() }
}

/// A credential by digests, which show a change, and the end of its validity.
fn credential(fields: &Map<String, Value>) -> Option<Value> {
    let part = |name: &str| -> Option<String> {
        let items = fields.get(name)?.as_array()?;
        let raw: Option<Vec<u8>> =
            items.iter().map(|v| v.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
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
pub fn render(state: &State) -> Value {
    // A copy shares all but the ids of commands, which are many and not shown.
    let state = State { processed: Default::default(), ..state.clone() };
    // A state holds only maps, sequences, strings and integers.
    let mut value = serde_json::to_value(state).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("processed");
    }
    tidy(value)
}

/// A rendered state without its position and time: for comparing two states.
pub fn content(state: &State) -> Value {
    let mut value = render(state);
    if let Value::Object(fields) = &mut value {
        for name in ["position", "head", "time_ms"] {
            fields.remove(name);
        }
    }
    value
}
