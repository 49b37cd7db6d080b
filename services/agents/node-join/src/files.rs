//! Files: whole, or not at all.

use crate::error::JoinError;
use serde::Serialize;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The error of a path.
pub fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> JoinError + use<> {
    let path = path.to_owned();
    move |source| JoinError::File { path, source }
}

/// Reads a file, if it exists.
pub fn read(path: &Path) -> Result<Option<String>, JoinError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(path)(e)),
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, mode: u32, content: &str) -> Result<(), JoinError> {
    if let Some(dir) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755).create(dir).map_err(failed(dir))?;
    }
    let part = PathBuf::from(format!("{}.part", path.display()));
    match fs::remove_file(&part) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(&part)(e)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&part)
        .map_err(failed(&part))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_data()).map_err(failed(&part))?;
    fs::rename(&part, path).map_err(failed(path))
}

/// Removes a file, or a directory with its content. Returns whether it existed.
pub fn remove(path: &Path) -> Result<bool, JoinError> {
    let gone = match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(path)(e)),
    }
}

/// Writes a file as JSON, for its owner only.
pub fn write_json(path: &Path, content: &impl Serialize) -> Result<(), JoinError> {
    let text = serde_json::to_string_pretty(content)
        .map_err(|source| JoinError::Json { path: path.to_owned(), source })?;
    write(path, 0o600, &text)
}

/// Removes a directory if it is empty.
pub fn remove_empty(dir: &Path) -> Result<(), JoinError> {
    match fs::remove_dir(dir) {
        Ok(()) => Ok(()),
        Err(e) => match e.kind() {
            ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty => Ok(()),
            // A link or a mount point is somebody's own.
            ErrorKind::NotADirectory | ErrorKind::ResourceBusy => Ok(()),
            _ => Err(failed(dir)(e)),
        },
    }
}
