//! A state as people and programs want to see it: no raw bytes, no bookkeeping.

use oi_domain::State;
use oi_events::Hash;
use serde_json::{Map, Value, json};

/// As many numbers below 256 in a row are bytes.
const BYTES: usize = 16;

fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    let byte = |v: &Value| v.as_u64().and_then(|n| u8::try_from(n).ok());
    if items.len() < BYTES { None } else { items.iter().map(byte).collect() }
}

/// A certificate by its fingerprint, and when it ends. What is sealed is named by its
/// digest, so that a change shows.
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
    let until = crate::moment::rfc3339(fields.get("not_after_ms")?.as_u64()?);
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

/// The state as JSON: hypervisors, clusters and troubles, with position and time.
pub fn present(state: &State) -> Value {
    // A copy shares all but the ids of commands, which are many and not shown.
    let state = State { processed: Default::default(), ..state.clone() };
    // A state holds only maps, sequences, strings and integers.
    let mut value = serde_json::to_value(state).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("processed");
    }
    tidy(value)
}

/// What is there, without when and how it came: for comparing two states.
pub fn content(state: &State) -> Value {
    let mut value = present(state);
    if let Value::Object(fields) = &mut value {
        for name in ["position", "head", "time_ms"] {
            fields.remove(name);
        }
    }
    value
}
