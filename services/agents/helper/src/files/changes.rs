//! The changes.

use super::{FilesError, NO_LINK, open};
use rustix::fs::Mode;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Removes a file, or a directory with its content. Returns whether there was one. Follows no
/// symbolic link out of `root`.
pub fn remove(root: &Path, path: &Path) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    if !has_parents(root, path)? {
        return Ok(false);
    }
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(e)),
        Ok(m) if m.is_dir() => fs::remove_dir_all(path).map(|()| true).map_err(failed),
        Ok(_) => fs::remove_file(path).map(|()| true).map_err(failed),
    }
}

fn outside(root: &Path, path: &Path) -> FilesError {
    FilesError::Outside { path: path.display().to_string(), root: root.to_owned() }
}

/// The directories between `root` and a path, the uppermost first.
fn parents(root: &Path, path: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let parent = path.parent().unwrap_or(root);
    let below = parent.strip_prefix(root).map_err(|_| outside(root, path))?;
    let mut here = root.to_owned();
    let down = below.components().map(|part| {
        here.push(part);
        here.clone()
    });
    Ok(down.collect())
}

/// Whether it is a directory, and no link to one; none where nothing is there.
pub(super) fn is_directory(path: &Path) -> Result<Option<bool>, FilesError> {
    match fs::symlink_metadata(path) {
        Ok(m) => Ok(Some(m.is_dir())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FilesError::Io { path: path.to_owned(), source }),
    }
}

/// Whether the directories above a path are there. Refuses symbolic links among them: whoever
/// may write into one of them could lead out of `root`.
pub(super) fn has_parents(root: &Path, path: &Path) -> Result<bool, FilesError> {
    for here in parents(root, path)? {
        match is_directory(&here)? {
            Some(true) => {}
            Some(false) => return Err(outside(root, &here)),
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether a directory is there, by way of directories alone: see [`has_parents`].
pub(super) fn has_directory(root: &Path, path: &Path) -> Result<bool, FilesError> {
    Ok(has_parents(root, path)? && is_directory(path)? == Some(true))
}

/// Removes what a directory holds of a generation and earlier ones, and the directory where that
/// was all. Returns whether something changed. Follows no symbolic link out of `root`.
pub fn remove_until(root: &Path, path: &Path, generation: u64) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    if !has_directory(root, path)? {
        return Ok(false);
    }
    let (mut changed, mut stays) = (false, false);
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        match name.to_str().and_then(|name| name.split('-').next()).map(str::parse::<u64>) {
            Some(Ok(number)) if number <= generation => changed |= remove(root, &entry.path())?,
            // Of a later one, or of somebody else.
            Some(Ok(_) | Err(_)) | None => stays = true,
        }
    }
    if !stays {
        fs::remove_dir(path).map_err(failed)?;
    }
    Ok(changed || !stays)
}

/// Makes the directories above a path. Follows no symbolic link out of `root`.
pub(super) fn make_parents(root: &Path, path: &Path) -> Result<(), FilesError> {
    for here in parents(root, path)? {
        match is_directory(&here)? {
            Some(true) => {}
            Some(false) => return Err(outside(root, &here)),
            None => {
                let made = rustix::fs::mkdir(&here, Mode::from_raw_mode(0o700));
                made.map_err(|e| FilesError::Io { path: path.to_owned(), source: e.into() })?;
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
        Ok(m) if m.is_dir() => {}
        Ok(_) => return Err(outside(root, path)),
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

/// Whether it is such a file. What cannot be read is written anew.
fn holds(path: &Path, mode: u32, content: &[u8]) -> bool {
    let Ok(mut file) = open(path) else { return false };
    let Ok(m) = file.metadata() else { return false };
    let mut old = Vec::new();
    m.mode() & 0o7777 == mode
        && m.len() == content.len() as u64
        && file.read_to_end(&mut old).is_ok()
        && old == content
}

/// Makes renamed files of a directory last: also where the power fails afterwards.
pub fn sync_directory(dir: &Path) -> Result<(), FilesError> {
    let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|source| FilesError::Io { path: dir.to_owned(), source })
}

/// Writes a file by renaming another one; see [`sync_directory`]. Returns whether something changed.
pub fn write(root: &Path, path: &Path, mode: u32, content: &[u8]) -> Result<bool, FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    make_parents(root, path)?;
    if holds(path, mode, content) {
        return Ok(false);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let temporary = path.with_file_name(name);
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
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
