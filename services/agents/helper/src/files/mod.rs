//! Changes files below one directory, each whole or not at all.

mod changes;

use changes::{extend, make_dir, remove, write};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Does not open symbolic links.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// One change of the file system.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileOp {
    /// Writes a file.
    Write {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// The whole content.
        content: Vec<u8>,
    },
    /// Makes a directory, or changes its mode.
    MakeDir {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// Removes a file, or a directory with its content.
    Remove {
        /// Absolute path.
        path: String,
    },
    /// Cuts a file at `offset` and appends a piece. For files that are too large to be sent at
    /// once: such a file is not whole before the last piece.
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
    /// The path is outside of the directory that the helper may change.
    #[error("{path} is refused: it is not an absolute path below {root} without '..'")]
    Outside {
        /// The path.
        path: String,
        /// That directory.
        root: PathBuf,
    },
    /// The file system.
    #[error("{path}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
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

/// Does all operations in order. Rejects the whole list if one path is outside of `root`. Returns
/// the paths that changed: a file that is as described is left alone.
///
/// # Errors
/// If a path is rejected, or the file system fails.
pub fn apply(root: &Path, operations: &[FileOp]) -> Result<Vec<String>, FilesError> {
    for operation in operations {
        checked(root, operation.path())?;
    }
    let mut changed = Vec::new();
    for operation in operations {
        let path = Path::new(operation.path());
        let did = match operation {
            FileOp::Write { mode, content, .. } => write(root, path, *mode, content)?,
            FileOp::MakeDir { mode, .. } => make_dir(root, path, *mode)?,
            FileOp::Extend { offset, content, .. } => extend(root, path, *offset, content)?,
            FileOp::Remove { .. } => remove(path)?,
        };
        if did {
            changed.push(operation.path().to_owned());
        }
    }
    Ok(changed)
}

/// Reads a piece of a file below `root`. It is shorter than `length` only at the end of the file.
///
/// # Errors
/// If the path is rejected, or the file system fails.
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
