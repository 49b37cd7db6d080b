//! Changes files below one directory, each whole or not at all.

mod changes;
mod expire;
mod fence;
mod replace;

use changes::{extend, has_parents, make_dir, remove, remove_until, sync_directory, write};
use expire::expire;
use fence::last_generation;
use replace::replace;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Does not open symbolic links.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Opens a file to read. Refuses whatever is no plain file, and waits for nobody who would write
/// into a pipe.
fn open(path: &Path) -> std::io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(Error::new(ErrorKind::InvalidInput, "not a plain file"))
}

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
    /// Lets a directory be changed for this generation or a later one only, from here on. It stands
    /// before the changes that it is for: where a later generation was here, none of them is made.
    /// On a full disk it is remembered after changes that only remove.
    Fence {
        /// Absolute path of the directory, which need not be there.
        path: String,
        /// The generation that changes it.
        generation: u64,
    },
    /// Removes what a directory holds of a generation and earlier ones: names that begin with such
    /// a number, alone or before a `-`. What is of a later one stays; without any, the directory
    /// goes, too.
    RemoveUntil {
        /// Absolute path of the directory.
        path: String,
        /// The last generation that is removed.
        generation: u64,
    },
    /// Removes what has not changed for so long: the files right in a directory with this ending,
    /// or else all files below it, with the directories that are left empty. Follows no symbolic
    /// link.
    Expire {
        /// Absolute path of the directory, which need not be there.
        path: String,
        /// Only files right there whose names end so.
        ending: Option<String>,
        /// For how long, seconds.
        seconds: u64,
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
            | FileOp::Replace { path, .. }
            | FileOp::Fence { path, .. }
            | FileOp::RemoveUntil { path, .. }
            | FileOp::Expire { path, .. } => path,
        }
    }

    /// Whether directories may no longer be where they were.
    fn moves(&self) -> bool {
        match self {
            FileOp::Remove { .. } | FileOp::RemoveUntil { .. } | FileOp::Replace { .. } => true,
            FileOp::Write { .. }
            | FileOp::MakeDir { .. }
            | FileOp::Extend { .. }
            | FileOp::Once { .. }
            | FileOp::Fence { .. }
            | FileOp::Expire { .. } => false,
        }
    }

    /// Whether it puts nothing new on the disk.
    fn frees(&self) -> bool {
        match self {
            FileOp::Remove { .. }
            | FileOp::RemoveUntil { .. }
            | FileOp::Expire { .. }
            | FileOp::Replace { .. } => true,
            FileOp::Write { .. }
            | FileOp::MakeDir { .. }
            | FileOp::Extend { .. }
            | FileOp::Once { .. }
            | FileOp::Fence { .. } => false,
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
            | FileOp::Once { .. }
            | FileOp::Fence { .. }
            | FileOp::RemoveUntil { .. }
            | FileOp::Expire { .. } => [None, None],
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
    /// A later decision was carried out already.
    #[error("{path} is generation {found}'s already; generation {ours} must not change it")]
    Stale {
        /// The directory.
        path: String,
        /// The newest generation that changed it.
        found: u64,
        /// The generation of the caller.
        ours: u64,
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

impl FilesError {
    /// Whether the disk is full.
    fn is_full(&self) -> bool {
        const FULL: [ErrorKind; 2] = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
        matches!(self, FilesError::Io { source, .. } if FULL.contains(&source.kind()))
    }
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
    let mut written = BTreeSet::new();
    let mut fences = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let path = Path::new(operation.path());
        if operation.moves() {
            // What was written before may be elsewhere, or nowhere, afterwards.
            std::mem::take(&mut written).into_iter().try_for_each(sync_directory)?;
        }
        let did = match operation {
            FileOp::Write { mode, content, .. } => write(root, path, *mode, content)?,
            FileOp::MakeDir { mode, .. } => make_dir(root, path, *mode)?,
            FileOp::Extend { offset, content, .. } => extend(root, path, *offset, content)?,
            FileOp::Remove { .. } => remove(root, path)?,
            FileOp::RemoveUntil { generation, .. } => remove_until(root, path, *generation)?,
            FileOp::Expire { ending, seconds, .. } => {
                expire(root, path, ending.as_deref(), Duration::from_secs(*seconds))?
            }
            FileOp::Replace { by, keep, .. } => {
                replace(root, path, Path::new(by), keep.as_deref().map(Path::new))?
            }
            FileOp::Once { generation, .. } => {
                if last_generation(root, path)?.is_some_and(|last| last >= *generation) {
                    break;
                }
                marks.push((path, generation.to_string()));
                false
            }
            FileOp::Fence { generation, .. } => {
                match fence::pass(root, path, *generation) {
                    Ok(true) => written.extend(path.parent()),
                    Ok(false) => {}
                    // What is removed makes room for the mark.
                    Err(full) if full.is_full() && frees(&operations[index + 1..]) => {
                        fences.push((path, *generation));
                    }
                    Err(error) => return Err(error),
                }
                false
            }
        };
        if did {
            changed.push(operation.path().to_owned());
            if matches!(operation, FileOp::Write { .. }) {
                written.extend(path.parent());
            }
        }
    }
    for (path, generation) in fences {
        // Where all around it is gone, there is nothing to remember.
        if has_parents(root, path)? && fence::pass(root, path, generation)? {
            written.extend(path.parent());
        }
    }
    written.into_iter().try_for_each(sync_directory)?;
    for (path, generation) in marks {
        if write(root, path, 0o600, generation.as_bytes())? {
            path.parent().map_or(Ok(()), sync_directory)?;
        }
    }
    Ok(changed)
}

/// Whether operations remove something, and put nothing new on the disk.
fn frees(operations: &[FileOp]) -> bool {
    !operations.is_empty() && operations.iter().all(FileOp::frees)
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
    has_parents(root, path)?;
    let mut file = open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut piece = Vec::new();
    file.take(length).read_to_end(&mut piece).map_err(failed)?;
    Ok(piece)
}
