//! `check-config`: what the settings are, and whether a server would start with them.

use crate::config::{BACKUP_STORE, Config, Format, Role};
use crate::settings::Setting;
use oi_backup_store::Store;
use serde::Serialize;
use std::error::Error;
use std::process::ExitCode;

/// An error with its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What was tried.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    /// None where it is well.
    problem: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    settings: &'a [Setting],
    checks: &'a [Check],
}

fn tried<T, E: Error>(name: &'static str, result: Result<T, E>) -> Check {
    Check { name, problem: result.err().map(|e| chain(&e)) }
}

/// All that can be tried without a broker, and without changing anything.
fn checks(config: &Config) -> Vec<Check> {
    let is = |role| config.roles.contains(&role);
    let mut checks =
        vec![tried("credentials for the broker", config.journal().credentials.check())];
    // Whether it may be made depends on the log, too.
    if config.key_file.exists() || !config.create_key_file {
        checks.push(tried("key-encryption key", crate::key::load(config)));
    }
    if is(Role::Worker) {
        checks.push(tried("backup store", Store::named(&config.backup_store)));
        checks.extend(own_store(config));
    }
    if is(Role::Gateway)
        && let Some(files) = config.tls_files()
    {
        checks.push(tried("TLS of the API", files.check()));
    }
    if is(Role::Gateway)
        && config.tls_files().is_none()
        && !config.console_listen.ip().is_loopback()
    {
        let problem = Some(format!(
            "console-listen {} is reached from elsewhere, and the page asks for a client \
             certificate there: set tls-cert, tls-key and tls-client-ca, or listen on loopback",
            config.console_listen
        ));
        checks.push(Check { name: "page", problem });
    }
    let mut listen = vec![("metrics-listen", config.metrics_listen)];
    if is(Role::Gateway) {
        listen.extend([("listen", config.listen), ("console-listen", config.console_listen)]);
    }
    for (n, (name, address)) in listen.iter().enumerate() {
        if let Some((other, _)) = listen[..n].iter().find(|(_, a)| a == address && a.port() != 0) {
            let problem = Some(format!("{name} and {other} are both {address}"));
            checks.push(Check { name: "addresses", problem });
        }
    }
    checks
}

/// Whether there may be other workers: not all roles are here, or there are several brokers.
fn has_other_workers(config: &Config) -> bool {
    let all = [Role::Gateway, Role::Decider, Role::Worker];
    config.replicas > 1 || !all.iter().all(|role| config.roles.contains(role))
}

/// What one worker puts into a directory of its machine, another one does not find.
fn own_store(config: &Config) -> Option<Check> {
    let own = config.backup_store == BACKUP_STORE && has_other_workers(config);
    let problem = "it is a directory of this machine by default, and there may be workers on others: set \
                   backup-store to s3://bucket/prefix, or to a file:///directory that all of them share";
    own.then(|| Check { name: "backups of several workers", problem: Some(problem.to_owned()) })
}

/// What is better otherwise.
fn warnings(config: &Config) -> Vec<String> {
    let directory = config.backup_store.starts_with("file:")
        && config.roles.contains(&Role::Worker)
        && has_other_workers(config);
    let unshared = directory.then(|| {
        format!(
            "backups go to {}, and there may be other workers: each must find the same directory \
             there",
            config.backup_store
        )
    });
    open_api(config).into_iter().chain(open_metrics(config)).chain(unshared).collect()
}

fn open_metrics(config: &Config) -> Option<String> {
    let open = !config.metrics_listen.ip().is_loopback();
    open.then(|| {
        format!(
            "metrics-listen {} is reached from elsewhere, and asks nobody who they are: let only \
             Prometheus through (firewall, NetworkPolicy), or listen on loopback",
            config.metrics_listen
        )
    })
}

fn open_api(config: &Config) -> Option<String> {
    let open = config.roles.contains(&Role::Gateway)
        && config.tls_files().is_none()
        && !config.listen.ip().is_loopback();
    open.then(|| {
        format!(
            "{} is reached from elsewhere, and whoever reaches it may do everything: set \
             tls-cert, tls-key and tls-client-ca, or listen on loopback",
            config.listen
        )
    })
}

/// Refuses settings that are of no use, before anything is begun.
///
/// # Errors
/// The first problem.
pub fn refuse(config: &Config) -> Result<(), String> {
    for warning in warnings(config) {
        tracing::warn!("{warning}");
    }
    let mut problems = checks(config).into_iter().filter_map(|c| Some((c.name, c.problem?)));
    problems.next().map_or(Ok(()), |(name, problem)| Err(format!("{name}: {problem}")))
}

/// Prints the settings, and what is wrong with them.
///
/// # Errors
/// Where the report has no such form.
pub fn check(
    config: &Config,
    settings: &[Setting],
    output: Format,
) -> Result<ExitCode, Box<dyn Error>> {
    let checks = checks(config);
    match output {
        Format::Json => {
            println!("{}", serde_json::to_string_pretty(&Report { settings, checks: &checks })?)
        }
        Format::Yaml => {
            print!("{}", oi_yaml::to_string(&Report { settings, checks: &checks })?)
        }
        Format::Table => {
            println!("{:<18} {:<12} VALUE", "SETTING", "SOURCE");
            for Setting { name, value, source } in settings {
                println!("{name:<18} {source:<12} {value}");
            }
        }
    }
    for warning in warnings(config) {
        eprintln!("warning: {warning}");
    }
    let mut code = ExitCode::SUCCESS;
    for Check { name, problem } in &checks {
        match problem {
            None => eprintln!("ok: {name}"),
            Some(problem) => {
                eprintln!("error: {name}: {problem}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::Cli;
    use clap::Parser;

    fn config(args: &[&str]) -> Config {
        Cli::try_parse_from(["oi-server"].iter().chain(args)).unwrap().config
    }

    fn refused(args: &[&str]) -> bool {
        own_store(&config(args)).is_some()
    }

    #[test]
    fn a_directory_of_one_machine_is_no_store_for_several_workers() {
        assert!(!refused(&[]), "all of it in one process");
        assert!(refused(&["--roles", "worker"]));
        assert!(refused(&["--replicas", "3"]));
        let shared = ["--roles", "worker", "--backup-store", "file:///mnt/backups"];
        assert!(!refused(&shared), "whoever names it, knows it");
        assert_eq!(warnings(&config(&shared)).len(), 1);
        let s3 = ["--roles", "worker", "--backup-store", "s3://backups"];
        assert!(!refused(&s3) && warnings(&config(&s3)).is_empty());
    }

    #[test]
    fn listeners_that_ask_nobody_are_warned_of_where_others_reach_them() {
        assert!(warnings(&config(&[])).is_empty(), "all on loopback");
        for flag in ["--listen", "--metrics-listen"] {
            let told = warnings(&config(&[flag, "0.0.0.0:7499"]));
            assert!(told.len() == 1 && told[0].contains("0.0.0.0:7499"), "{flag}: {told:?}");
        }
        let decider = ["--roles", "decider", "--listen", "0.0.0.0:7499"];
        assert!(warnings(&config(&decider)).is_empty(), "it does not listen there");
    }
}
