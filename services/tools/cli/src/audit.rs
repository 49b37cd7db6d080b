//! `oi audit`: becomes the program oi-audit, which auditors can have alone.

use crate::error::Failure;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Returns only where oi-audit cannot be run.
pub fn run(args: &[OsString]) -> Result<(), Failure> {
    let program = match std::env::current_exe().map(|p| p.with_file_name("oi-audit")) {
        Ok(beside) if beside.is_file() => beside,
        // It may be in PATH.
        Ok(_) | Err(_) => "oi-audit".into(),
    };
    let source = Command::new(&program).args(args).exec();
    Err(Failure::Io { what: format!("{} cannot be run", program.display()), source })
}
