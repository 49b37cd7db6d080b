//! Changes files below one directory, each whole or not at all.

mod changes;
mod replace;

use changes::{extend, make_dir, remove, write};
use replace::{last_generation, replace};
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
    /// Ends the list here where a list with this generation, or a higher one, was done before: so
    /// the file says. Otherwise the file says so once the list is done.
    Once {
        /// Absolute path of the file.
        path: String,
        /// The generation.
        generation: u64,
    },
    /// Puts the directory `by` in the place of `path`. What was at `path` is moved to `keep`;
    /// where something is kept there already, or nothing is to be kept, it is removed. Where
    /// nothing is at `by`, nothing changes: it was done before.
    Replace {
        /// Absolute path.
        path: String,
        /// Absolute path of what replaces it.
        by: String,
        /// Absolute path of what is kept.
        keep: Option<String>,
    },
}

impl std::fmt::Debug for FileOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileOp({})", self.path())
    }
}

impl FileOp {
    /// What it changes first of all.
    fn path(&self) -> &str {
        match self {
            FileOp::Write { path, .. }
            | FileOp::MakeDir { path, .. }
            | FileOp::Remove { path }
            | FileOp::Extend { path, .. }
            | FileOp::Once { path, .. }
            | FileOp::Replace { path, .. } => path,
        }
    }

    /// All that it may change.
    fn paths(&self) -> impl Iterator<Item = &str> {
        let others = match self {
            FileOp::Replace { by, keep, .. } => [Some(by.as_str()), keep.as_deref()],
            FileOp::Write { .. }
            | FileOp::MakeDir { .. }
            | FileOp::Remove { .. }
            | FileOp::Extend { .. }
            | FileOp::Once { .. } => [None, None],
        };
        std::iter::once(self.path()).chain(others.into_iter().flatten())
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
    /// The file holds no generation.
    #[error("{path} holds no generation: what was done here is not known")]
    Generation {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::num::ParseIntError,
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
    for path in operations.iter().flat_map(FileOp::paths) {
        checked(root, path)?;
    }
    let mut changed = Vec::new();
    let mut marks = Vec::new();
    for operation in operations {
        let path = Path::new(operation.path());
        let did = match operation {
            FileOp::Write { mode, content, .. } => write(root, path, *mode, content)?,
            FileOp::MakeDir { mode, .. } => make_dir(root, path, *mode)?,
            FileOp::Extend { offset, content, .. } => extend(root, path, *offset, content)?,
            FileOp::Remove { .. } => remove(path)?,
            FileOp::Replace { by, keep, .. } => {
                replace(root, path, Path::new(by), keep.as_deref().map(Path::new))?
            }
            FileOp::Once { generation, .. } => {
                if last_generation(path)?.is_some_and(|last| last >= *generation) {
                    break;
                }
                marks.push((path, generation.to_string()));
                false
            }
        };
        if did {
            changed.push(operation.path().to_owned());
        }
    }
    for (path, generation) in marks {
        write(root, path, 0o600, generation.as_bytes())?;
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
