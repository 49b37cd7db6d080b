//! Reaching directories below a root without ever leaving it.
//!
//! Paths are checked as text first. Then each directory is opened from the one above
//! it, never through a symbolic link, and files are named relative to what is open:
//! nothing that changes in between leads elsewhere.

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why files were not changed, or not read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Outside of the directory that the helper may touch.
    #[error("{path} is refused: it is not an absolute, plain path below {root}")]
    Outside {
        /// The path.
        path: String,
        /// The only directory that may be touched.
        root: PathBuf,
    },
    /// A symbolic link or a file stands where a directory should.
    #[error("{path} is refused: something above it is no directory")]
    NotDirectory {
        /// The path.
        path: String,
    },
    /// The root cannot be opened.
    #[error("cannot open the root {root}")]
    Root {
        /// The root.
        root: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The directories above a path cannot be opened or made.
    #[error("cannot open or make the directories above {path}")]
    Parents {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be written; what was there stands.
    #[error("cannot write {path}")]
    Write {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A directory cannot be made or given its mode.
    #[error("cannot make directory {path}")]
    MakeDir {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something cannot be removed.
    #[error("cannot remove {path}")]
    Remove {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl FilesError {
    /// Whether a path was refused, as opposed to a failing file system.
    pub fn is_refusal(&self) -> bool {
        matches!(self, FilesError::Outside { .. } | FilesError::NotDirectory { .. })
    }
}

/// A path that, as text, is below a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confined<'a> {
    path: &'a str,
    above: &'a str,
    /// The last part.
    pub name: &'a str,
}

/// Takes a path apart, where it is absolute, below `root`, and without `.`, `..`,
/// doubled slashes or control characters.
///
/// # Errors
/// [`FilesError::Outside`] for anything else.
pub fn confine<'a>(root: &Path, path: &'a str) -> Result<Confined<'a>, FilesError> {
    let below = root.to_str().and_then(|root| path.strip_prefix(root.trim_end_matches('/')));
    let plain =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_control());
    below
        .filter(|_| root.is_absolute())
        .and_then(|below| below.strip_prefix('/'))
        .filter(|below| below.split('/').all(plain))
        .map(|below| match below.rsplit_once('/') {
            Some((above, name)) => Confined { path, above, name },
            None => Confined { path, above: "", name: below },
        })
        .ok_or_else(|| FilesError::Outside { path: path.to_owned(), root: root.to_owned() })
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the root.
pub(crate) fn open_root(root: &Path) -> Result<OwnedFd, FilesError> {
    rustix::fs::openat(CWD, root, DIRECTORY, Mode::empty())
        .map_err(|e| FilesError::Root { root: root.to_owned(), source: e.into() })
}

impl Confined<'_> {
    /// Opens the directory that the path is in; `None` where it is not there. With
    /// `create`, directories that are not there are made with mode 0700.
    pub(crate) fn parent(
        &self,
        root: &OwnedFd,
        create: bool,
    ) -> Result<Option<OwnedFd>, FilesError> {
        let failed = |errno: Errno| match errno {
            Errno::NOTDIR | Errno::LOOP => FilesError::NotDirectory { path: self.path.to_owned() },
            errno => FilesError::Parents { path: self.path.to_owned(), source: errno.into() },
        };
        let mut here = root
            .try_clone()
            .map_err(|source| FilesError::Parents { path: self.path.to_owned(), source })?;
        for part in self.above.split('/').filter(|part| !part.is_empty()) {
            here = match open_dir(&here, part) {
                Err(Errno::NOENT) if !create => return Ok(None),
                Err(Errno::NOENT) => {
                    match rustix::fs::mkdirat(&here, part, Mode::RWXU) {
                        Err(Errno::EXIST) | Ok(()) => {}
                        Err(e) => return Err(failed(e)),
                    }
                    open_dir(&here, part)
                }
                opened => opened,
            }
            .map_err(failed)?;
        }
        Ok(Some(here))
    }
}

/// Opens a directory in a directory; a symbolic link is an error.
pub(crate) fn open_dir<N: rustix::path::Arg>(
    parent: &OwnedFd,
    name: N,
) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}
