//! Settings from a file: each one is taken as the flag of its name, where neither a flag nor
//! the environment says otherwise.

use crate::config::Cli;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is about the command line itself.
const NOT_IN_FILES: [&str; 4] = ["config", "output", "help", "version"];

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings in {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not text.
    #[error("{path} cannot be read")]
    Text {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: oi_yaml::TextError,
    },
    /// It is not YAML.
    #[error("{path} is not a mapping of settings to values")]
    Parse {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_yaml_ng::Error,
    },
    /// There is no such setting.
    #[error("{path}: there is no setting {name:?}: `oi-server --help` lists them")]
    Unknown {
        /// Which file.
        path: PathBuf,
        /// Which name.
        name: String,
    },
    /// A setting has no usable form.
    #[error("{path}: {name} must be a text, a number, true or false, or a list of those")]
    Form {
        /// Which file.
        path: PathBuf,
        /// Which.
        name: String,
    },
}

/// A setting as it counts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// As in the file.
    pub name: String,
    /// In the words of whoever set it; empty for none.
    pub value: String,
    /// `flag`, `environment`, `file` or `default`.
    pub source: &'static str,
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Sequence(all) => {
            all.iter().map(scalar).collect::<Option<Vec<_>>>().map(|v| v.join(","))
        }
        _ => None,
    }
}

/// An address as it can be shown: without who connects, and their password.
fn without_password(text: &str) -> String {
    let one = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    };
    text.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// The settings in a file, by the names of the flags, as texts.
fn read(path: &Path, command: &Command) -> Result<BTreeMap<String, String>, SettingsError> {
    let path = path.to_owned();
    let bytes = std::fs::read(&path)
        .map_err(|source| SettingsError::Read { path: path.clone(), source })?;
    let text = oi_yaml::text(&bytes)
        .map_err(|source| SettingsError::Text { path: path.clone(), source })?;
    let values: Option<BTreeMap<String, Value>> = serde_yaml_ng::from_str(&text)
        .map_err(|source| SettingsError::Parse { path: path.clone(), source })?;
    let mut settings = BTreeMap::new();
    for (name, value) in values.unwrap_or_default() {
        let known = command.get_arguments().any(|a| a.get_long() == Some(name.as_str()));
        if !known || NOT_IN_FILES.contains(&name.as_str()) {
            return Err(SettingsError::Unknown { path, name });
        }
        match scalar(&value) {
            Some(value) => settings.insert(name, value),
            None => return Err(SettingsError::Form { path, name }),
        };
    }
    Ok(settings)
}

/// The matches of the settings, wherever they stand on the command line.
fn matches_of(matches: &ArgMatches) -> &ArgMatches {
    match matches.subcommand() {
        Some(("check-config", inner)) => inner,
        _ => matches,
    }
}

fn source(matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    let Ok(_known) = matches.try_contains_id(id) else { return None };
    matches.value_source(id)
}

/// Reads the command line, the environment, and the file that either names.
///
/// # Errors
/// Where the file is of no use; a command line of no use ends the process with clap's words.
pub fn load(mut args: Vec<OsString>) -> Result<(Cli, Vec<Setting>), SettingsError> {
    let command = Cli::command();
    // What is wrong with the command line is said below, when the file is known.
    let lenient = command.clone().ignore_errors(true);
    let first = command.clone().try_get_matches_from(&args);
    let first = first.or_else(|_| lenient.try_get_matches_from(&args));
    let mut from_file = BTreeMap::new();
    let needs_none = |m: &ArgMatches| m.subcommand_name() == Some("make-nkey");
    if let Ok(first) = &first
        && !needs_none(first)
    {
        let first = matches_of(first);
        if let Ok(Some(path)) = first.try_get_one::<PathBuf>("config") {
            from_file = read(path, &command)?;
            from_file.retain(|name, _| {
                let id = name.replace('-', "_");
                !matches!(
                    source(first, &id),
                    Some(ValueSource::CommandLine | ValueSource::EnvVariable)
                )
            });
        }
    }
    args.extend(from_file.iter().map(|(name, value)| format!("--{name}={value}").into()));
    let matches = command.clone().try_get_matches_from(args).unwrap_or_else(|error| {
        // Nobody is left, and nothing was begun: what clap says is the whole answer.
        if let Err(unsaid) = error.print() {
            eprintln!("{unsaid}: {error}");
        }
        if error.use_stderr() && !from_file.is_empty() {
            let names = from_file.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            eprintln!("\nThe file of settings says: {names}");
        }
        std::process::exit(error.exit_code())
    });
    let settings = settings(&command, matches_of(&matches), &from_file);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    Ok((cli, settings))
}

fn settings(
    command: &Command,
    matches: &ArgMatches,
    from_file: &BTreeMap<String, String>,
) -> Vec<Setting> {
    let longs = command.get_arguments().filter_map(|a| a.get_long().map(|l| (a.get_id(), l)));
    longs
        .filter(|(_, name)| !NOT_IN_FILES.contains(name))
        .map(|(id, name)| {
            let values: Vec<_> = match matches.try_get_raw(id.as_str()) {
                Ok(Some(raw)) => raw.map(|s| s.to_string_lossy()).collect(),
                // It is not set, or none of this command.
                Ok(None) | Err(_) => Vec::new(),
            };
            let source = match source(matches, id.as_str()) {
                Some(ValueSource::CommandLine) if from_file.contains_key(name) => "file",
                Some(ValueSource::CommandLine) => "flag",
                Some(ValueSource::EnvVariable) => "environment",
                _ => "default",
            };
            let value = without_password(&values.join(","));
            Setting { name: name.to_owned(), value, source }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_are_not_shown() {
        for (text, shown) in [
            ("nats://a:1,nats://u:p@b:2", "nats://a:1,nats://…@b:2"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("gateway,worker", "gateway,worker"),
            ("", ""),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
