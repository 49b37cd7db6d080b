//! One directory takes the place of another, once.

use super::changes::{has_parents, make_parents, remove, sync_directory};
use super::{FilesError, open};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

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

/// See [`FileOp::Replace`](super::FileOp::Replace). Wherever it is cut off, doing it again
/// completes it. Returns whether something changed.
pub fn replace(
    root: &Path,
    path: &Path,
    by: &Path,
    keep: Option<&Path>,
) -> Result<bool, FilesError> {
    make_parents(root, path)?;
    make_parents(root, by)?;
    if !exists(by)? {
        return Ok(false);
    }
    if let Some(keep) = keep {
        make_parents(root, keep)?;
        if exists(path)? && !exists(keep)? {
            rename(path, keep)?;
        }
    }
    remove(root, path)?;
    rename(by, path)?;
    Ok(true)
}

fn exists(path: &Path) -> Result<bool, FilesError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(FilesError::Io { path: path.to_owned(), source }),
    }
}

/// Moves, and lasts.
fn rename(from: &Path, to: &Path) -> Result<(), FilesError> {
    fs::rename(from, to).map_err(|source| FilesError::Io { path: from.to_owned(), source })?;
    [from.parent(), to.parent()].into_iter().flatten().try_for_each(sync_directory)
}
