//! Which generation changed a directory, or did a list, last.

use super::changes::{has_parents, write};
use super::{FilesError, NO_LINK, open};
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The generation that a file holds; none where there is no file.
pub fn last_generation(root: &Path, path: &Path) -> Result<Option<u64>, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    if !has_parents(root, path)? {
        return Ok(None);
    }
    let mut file = match open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let read = text.trim().parse();
    read.map(Some).map_err(|source| FilesError::Generation { path: path.to_owned(), source })
}

/// The file that tells the generation: beside the directory, so that it outlives it.
fn mark(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.generation"))
}

/// The newest generation that changed a directory.
fn newest(root: &Path, mark: &Path) -> Result<u64, FilesError> {
    match last_generation(root, mark) {
        Ok(found) => Ok(found.unwrap_or_default()),
        // It was cut off by a full disk: whoever comes next writes it anew.
        Err(FilesError::Generation { .. }) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Lets a generation change a directory, unless a later one did. Returns whether it is a new one.
pub fn pass(root: &Path, dir: &Path, ours: u64) -> Result<bool, FilesError> {
    let mark = mark(dir);
    let found = newest(root, &mark)?;
    if found > ours {
        return Err(FilesError::Stale { path: dir.display().to_string(), found, ours });
    }
    let text = ours.to_string();
    match write(root, &mark, 0o600, text.as_bytes()) {
        // A full disk has no room for another file, but the one that is there keeps its own.
        Err(full) if full.is_full() => overwrite(&mark, &text).map_err(|_| full),
        written => written,
    }
}

/// Writes a mark where it stands. It only grows, and is a few bytes: they are changed together.
fn overwrite(mark: &Path, text: &str) -> std::io::Result<bool> {
    let file = fs::OpenOptions::new().write(true).custom_flags(NO_LINK).open(mark)?;
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)?;
    file.sync_data()?;
    Ok(true)
}
