//! Running other programs to their end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a program was of no help.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not installed.
    #[error("{program} is not to be found: run deploy/toolchain, and deploy/packages")]
    Missing {
        /// Its name.
        program: String,
    },
    /// It cannot be started.
    #[error("{program} cannot be started")]
    Start {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It failed.
    #[error("`{command}` failed: {stderr}")]
    Failed {
        /// With its arguments.
        command: String,
        /// What it said.
        stderr: String,
    },
}

/// Runs a program and returns what it printed.
pub fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String, CommandError> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CommandError::Start { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let args: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy()).collect();
    Err(CommandError::Failed {
        command: format!("{program} {}", args.join(" ")),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// The directory of built programs, images and plugins.
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("OI_CACHE") {
        return dir.into();
    }
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from).join("oi")
}

/// Finds a program: beside this one, among the built ones, then in PATH.
pub fn find(program: &str) -> Result<PathBuf, CommandError> {
    let beside = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain([cache_dir().join("bin")])
        .chain(std::env::split_paths(&path))
        .map(|dir| dir.join(program))
        .find(|p| p.is_file())
        .ok_or_else(|| CommandError::Missing { program: program.to_owned() })
}
