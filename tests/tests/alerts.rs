//! Alerts watch what roles serve.
#![allow(clippy::unwrap_used, missing_docs)]

use prometheus::Registry;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The metrics that deciders, gateways and workers serve.
fn served() -> BTreeSet<String> {
    let registry = Registry::new();
    let decider = oi_decider::Metrics::new(&registry).unwrap();
    let gateway = oi_gateway::Metrics::new(&registry).unwrap();
    let worker = oi_worker::Metrics::new(&registry).unwrap();
    // One with labels is served once it has a value.
    decider.commands.with_label_values(&["x", "x"]);
    decider.dead_letters.with_label_values(&["x"]);
    gateway.unusable_files(oi_gateway::Protocol::Http2);
    worker.jobs.with_label_values(&["x", "x"]);
    worker.job_seconds.with_label_values(&["x"]);
    worker.restarts.with_label_values(&["x"]);
    worker.orphans.with_label_values(&["x"]);
    registry.gather().iter().map(|family| family.name().to_owned()).collect()
}

/// The metrics that expressions of a file name, after `key`.
fn named(file: &str, key: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(path).unwrap();
    let expressions = text.lines().filter(|line| line.trim_start().starts_with(key));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = expressions.flat_map(|line| line.split(move |c| !is_word(c)));
    let metrics = words.filter(|word| word.starts_with("oi_"));
    let plain = |word: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| word.strip_suffix(part));
        whole.unwrap_or(word).to_owned()
    };
    metrics.map(plain).collect()
}

#[test]
fn each_metric_that_an_alert_or_the_dashboard_names_is_served() {
    let served = served();
    for (file, key) in
        [("deploy/prometheus/alerts.yml", "expr:"), ("deploy/grafana/oi.json", "\"expr\":")]
    {
        let named = named(file, key);
        assert!(named.len() > 5, "{file}: {named:?}");
        let missing: Vec<_> = named.difference(&served).collect();
        assert!(missing.is_empty(), "{file}: nobody serves {missing:?}");
    }
}

#[test]
fn what_ends_a_service_in_the_long_run_has_an_alert() {
    let watched = named("deploy/prometheus/alerts.yml", "expr:");
    for metric in [
        "oi_authority_left_seconds",
        "oi_clock_skew_seconds",
        "oi_dead_letters",
        "oi_decider_turns_total",
        "oi_late_backups",
        "oi_late_certificates",
        "oi_log_bytes",
    ] {
        assert!(watched.contains(metric), "no alert watches {metric}");
    }
}
