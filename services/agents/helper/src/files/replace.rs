//! One directory takes the place of another, once.

use super::FilesError;
use super::changes::{is_directory, make_parents, remove, sync_directory};
use std::fs;
use std::path::Path;

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
    if is_directory(by)?.is_none() {
        return Ok(false);
    }
    if let Some(keep) = keep {
        make_parents(root, keep)?;
        if is_directory(path)?.is_some() && is_directory(keep)?.is_none() {
            rename(path, keep)?;
        }
    }
    remove(root, path)?;
    rename(by, path)?;
    Ok(true)
}

/// Moves, and lasts.
fn rename(from: &Path, to: &Path) -> Result<(), FilesError> {
    fs::rename(from, to).map_err(|source| FilesError::Io { path: from.to_owned(), source })?;
    [from.parent(), to.parent()].into_iter().flatten().try_for_each(sync_directory)
}
