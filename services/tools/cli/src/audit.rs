//! `oi audit`: becomes the program oi-audit, which auditors can have alone.

use crate::error::Failure;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Returns only where oi-audit cannot be run.
pub fn run(args: &[OsString]) -> Result<(), Failure> {
    let beside = std::env::current_exe().ok().map(|p| p.with_file_name("oi-audit"));
    let program = beside.filter(|p| p.is_file()).unwrap_or_else(|| "oi-audit".into());
    let source = Command::new(&program).args(args).exec();
    Err(Failure::Io { what: format!("{} cannot be run", program.display()), source })
}
