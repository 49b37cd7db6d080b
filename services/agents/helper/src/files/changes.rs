//! The changes.

use super::{FilesError, NO_LINK};
use rustix::fs::Mode;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Removes a file, or a directory with its content. Returns whether there was one.
pub fn remove(path: &Path) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(e)),
        Ok(m) if m.is_dir() => fs::remove_dir_all(path).map(|()| true).map_err(failed),
        Ok(_) => fs::remove_file(path).map(|()| true).map_err(failed),
    }
}

/// Makes the directories above a path. Follows no symbolic link out of `root`.
pub(super) fn make_parents(root: &Path, path: &Path) -> Result<(), FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    let Some(parent) = path.parent() else { return Ok(()) };
    let outside = |path: &Path| FilesError::Outside {
        path: path.display().to_string(),
        root: root.to_owned(),
    };
    let mut here = root.to_owned();
    for part in parent.strip_prefix(root).map_err(|_| outside(path))?.components() {
        here.push(part);
        match fs::symlink_metadata(&here) {
            Ok(m) if m.is_dir() => {}
            Ok(_) => return Err(outside(&here)),
            Err(_) => {
                rustix::fs::mkdir(&here, Mode::from_raw_mode(0o700))
                    .map_err(|e| failed(e.into()))?;
            }
        }
    }
    Ok(())
}

/// Makes a directory with a mode. Returns whether something changed.
pub fn make_dir(root: &Path, path: &Path, mode: u32) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    make_parents(root, path)?;
    match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() && m.mode() & 0o7777 == mode => return Ok(false),
        Ok(_) => {}
        Err(_) => {
            rustix::fs::mkdir(path, Mode::from_raw_mode(mode)).map_err(|e| failed(e.into()))?;
        }
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    Ok(true)
}

/// Cuts a file at `offset` and appends a piece.
pub fn extend(root: &Path, path: &Path, offset: u64, content: &[u8]) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    make_parents(root, path)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(NO_LINK)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.set_len(offset).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    Ok(true)
}

/// Writes a file by renaming another one. Returns whether something changed.
pub fn write(root: &Path, path: &Path, mode: u32, content: &[u8]) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    if let Ok(m) = fs::symlink_metadata(path)
        && m.is_file()
        && m.mode() & 0o7777 == mode
        && fs::read(path).is_ok_and(|old| old == content)
    {
        return Ok(false);
    }
    make_parents(root, path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let temporary = path.with_file_name(name);
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)?;
    Ok(true)
}
