//! `check-config`: what the settings are, and whether a server would start with them.

use crate::config::{Config, Format, Role};
use crate::settings::Setting;
use oi_backup_store::Store;
use oi_gateway::Tls;
use oi_pki::KeyEncryptionKey;
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
    if config.key_file.exists() {
        checks.push(tried("key-encryption key", KeyEncryptionKey::load(&config.key_file)));
    }
    if is(Role::Worker) {
        checks.push(tried("backup store", Store::named(&config.backup_store)));
    }
    if is(Role::Gateway)
        && let Some(files) = config.tls_files()
    {
        checks.push(tried("TLS of the API", Tls::load(files)));
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

/// What is better otherwise.
fn warning(config: &Config) -> Option<String> {
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
    if let Some(warning) = warning(config) {
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
            print!("{}", serde_yaml_ng::to_string(&Report { settings, checks: &checks })?)
        }
        Format::Table => {
            println!("{:<18} {:<12} VALUE", "SETTING", "SOURCE");
            for Setting { name, value, source } in settings {
                println!("{name:<18} {source:<12} {value}");
            }
        }
    }
    if let Some(warning) = warning(config) {
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
