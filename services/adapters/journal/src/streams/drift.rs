//! Comparing a stream's settings with those that oi needs.

use async_nats::jetstream::stream::Config;
use serde_json::Value;

/// The settings that must not differ.
const FIELDS: [&str; 21] = [
    "subjects",
    "retention",
    "storage",
    "discard",
    "discard_new_per_subject",
    "max_bytes",
    "max_msgs",
    "max_msgs_per_subject",
    "max_age",
    "max_msg_size",
    "num_replicas",
    "duplicate_window",
    "deny_delete",
    "deny_purge",
    "allow_direct",
    "no_ack",
    "sealed",
    "mirror",
    "sources",
    "persist_mode",
    "allow_atomic",
];

/// The broker omits some unset fields, or fills in its own word for "none".
fn is_unset(v: &Value) -> bool {
    v.is_null()
        || *v == false
        || *v == 0
        || *v == -1
        || *v == "default"
        || v.as_array().is_some_and(Vec::is_empty)
}

/// Fields whose live value is not the wanted one, as `field: is X, must be Y`. Those of `later` may
/// be unset, which is told.
pub(super) fn differences(
    wanted: &Config,
    live: &Config,
    later: &[&str],
) -> Result<Vec<String>, serde_json::Error> {
    let (wanted, live) = (serde_json::to_value(wanted)?, serde_json::to_value(live)?);
    let differs = |field: &str| {
        let (want, have) = (&wanted[field], &live[field]);
        let same = want == have || (is_unset(want) && is_unset(have));
        if !same && later.contains(&field) && is_unset(have) {
            tracing::warn!(stream = live["name"].as_str(), "{field} is not set: set it to {want}");
            return None;
        }
        (!same).then(|| format!("{field}: is {have}, must be {want}"))
    };
    Ok(FIELDS.into_iter().filter_map(differs).collect())
}
