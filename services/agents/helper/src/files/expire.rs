//! What has not changed for long goes.

use super::FilesError;
use super::changes::has_directory;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// See [`FileOp::Expire`](super::FileOp::Expire). Returns whether something changed.
pub fn expire(
    root: &Path,
    path: &Path,
    ending: Option<&str>,
    age: Duration,
) -> Result<bool, FilesError> {
    let Some(before) = SystemTime::now().checked_sub(age) else { return Ok(false) };
    if !has_directory(root, path)? {
        return Ok(false);
    }
    let expired = match ending {
        Some(ending) => expire_files(path, ending, before),
        None => expire_below(path, before),
    };
    expired.map_err(|source| FilesError::Io { path: path.to_owned(), source })
}

/// The files right in a directory with this ending.
fn expire_files(dir: &Path, ending: &str, before: SystemTime) -> Result<bool, Error> {
    let mut removed = false;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(ending) {
            let Some(metadata) = there(entry.metadata())? else { continue };
            removed |= metadata.is_file() && remove_old(&entry.path(), &metadata, before)?;
        }
    }
    Ok(removed)
}

/// All that is below a directory, and directories that are left empty.
fn expire_below(dir: &Path, before: SystemTime) -> Result<bool, Error> {
    let mut removed = false;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let Some(metadata) = there(entry.metadata())? else { continue };
        if !metadata.is_dir() {
            removed |= remove_old(&path, &metadata, before)?;
            continue;
        }
        let emptied = expire_below(&path, before)?;
        removed |= emptied;
        // One that was left empty is as old as what was in it.
        if (emptied || metadata.modified()? < before) && fs::read_dir(&path)?.next().is_none() {
            fs::remove_dir(&path)?;
            removed = true;
        }
    }
    Ok(removed)
}

fn remove_old(path: &Path, metadata: &fs::Metadata, before: SystemTime) -> Result<bool, Error> {
    if metadata.modified()? >= before {
        return Ok(false);
    }
    Ok(there(fs::remove_file(path))?.is_some())
}

/// None where its owner was faster.
fn there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}
