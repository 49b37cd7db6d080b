//! Writing files: whole or not at all, below one directory only.

use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// A file that is a symbolic link is not opened.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// One change of the file system.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileOp {
    /// The file has this content and mode.
    Write {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// The whole content.
        content: Vec<u8>,
    },
    /// The directory exists with this mode.
    MakeDir {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// Nothing is there, recursively.
    Remove {
        /// Absolute path.
        path: String,
    },
    /// The file has this content from `offset` on, and ends with it. For what is too
    /// large to be sent at once: it is not whole before the last piece.
    Extend {
        /// Absolute path.
        path: String,
        /// How many bytes stay.
        offset: u64,
        /// The bytes after those.
        content: Vec<u8>,
    },
}

impl std::fmt::Debug for FileOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileOp({})", self.path())
    }
}

impl FileOp {
    fn path(&self) -> &str {
        match self {
            FileOp::Write { path, .. }
            | FileOp::MakeDir { path, .. }
            | FileOp::Remove { path }
            | FileOp::Extend { path, .. } => path,
        }
    }
}

/// Why files were not changed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Outside of the directory that the helper may touch.
    #[error("{path} is refused: it is not an absolute path below {root} without '..'")]
    Outside {
        /// The path.
        path: String,
        /// The only directory that may be touched.
        root: PathBuf,
    },
    /// The file system refused.
    #[error("{path}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn checked<'a>(root: &Path, path: &'a str) -> Result<&'a Path, FilesError> {
    let p = Path::new(path);
    let plain = p.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    if plain && p.starts_with(root) && p != root && !path.contains("/./") {
        return Ok(p);
    }
    Err(FilesError::Outside { path: path.to_owned(), root: root.to_owned() })
}

/// Does all operations in order; refuses the whole list where one is outside of
/// `root`. Returns the paths that changed: what is so already is left alone.
///
/// # Errors
/// Where a path is refused, or the file system fails.
pub fn apply(root: &Path, operations: &[FileOp]) -> Result<Vec<String>, FilesError> {
    for operation in operations {
        checked(root, operation.path())?;
    }
    let mut changed = Vec::new();
    for operation in operations {
        let path = Path::new(operation.path());
        let failed = |source| FilesError::Io { path: path.to_owned(), source };
        let did = match operation {
            FileOp::Write { mode, content, .. } => write(root, path, *mode, content)?,
            FileOp::MakeDir { mode, .. } => make_dir(root, path, *mode)?,
            FileOp::Extend { offset, content, .. } => extend(root, path, *offset, content)?,
            FileOp::Remove { .. } => match fs::symlink_metadata(path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
                Err(e) => return Err(failed(e)),
                Ok(m) if m.is_dir() => fs::remove_dir_all(path).map(|()| true).map_err(failed)?,
                Ok(_) => fs::remove_file(path).map(|()| true).map_err(failed)?,
            },
        };
        if did {
            changed.push(operation.path().to_owned());
        }
    }
    Ok(changed)
}

/// Makes the directories above a path, and follows no symbolic link out of `root`.
fn make_parents(root: &Path, path: &Path) -> Result<(), FilesError> {
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    let Some(parent) = path.parent() else { return Ok(()) };
    let mut here = root.to_owned();
    for part in parent.strip_prefix(root).unwrap_or(Path::new("")).components() {
        here.push(part);
        match fs::symlink_metadata(&here) {
            Ok(m) if m.is_dir() => {}
            Ok(_) => {
                return Err(FilesError::Outside {
                    path: here.display().to_string(),
                    root: root.to_owned(),
                });
            }
            Err(_) => {
                rustix::fs::mkdir(&here, Mode::from_raw_mode(0o700))
                    .map_err(|e| failed(e.into()))?;
            }
        }
    }
    Ok(())
}

fn make_dir(root: &Path, path: &Path, mode: u32) -> Result<bool, FilesError> {
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

fn extend(root: &Path, path: &Path, offset: u64, content: &[u8]) -> Result<bool, FilesError> {
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

/// A piece of a file below `root`; shorter than `length` only where the file ends.
///
/// # Errors
/// Where the path is refused, or the file system fails.
pub fn read_piece(
    root: &Path,
    path: &str,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, FilesError> {
    let path = checked(root, path)?;
    let failed = |source| FilesError::Io { path: path.to_owned(), source };
    let options = fs::OpenOptions::new().read(true).custom_flags(NO_LINK).open(path);
    let mut file = options.map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut piece = Vec::new();
    file.take(length).read_to_end(&mut piece).map_err(failed)?;
    Ok(piece)
}

fn write(root: &Path, path: &Path, mode: u32, content: &[u8]) -> Result<bool, FilesError> {
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
