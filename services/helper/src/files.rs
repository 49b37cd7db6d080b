//! Changing files: whole or not at all, below one directory only.

use crate::directory::{FilesError, confine, open_dir, open_root};
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RawMode};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// One change of the file system.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileOp {
    /// The file has this content and mode. Directories above it are made with 0700.
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
}

/// Never shows contents.
impl std::fmt::Debug for FileOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileOp::Write { path, mode, content } => {
                write!(f, "Write({path}, {mode:o}, {} bytes)", content.len())
            }
            FileOp::MakeDir { path, mode } => write!(f, "MakeDir({path}, {mode:o})"),
            FileOp::Remove { path } => write!(f, "Remove({path})"),
        }
    }
}

impl FileOp {
    /// What it is about.
    pub fn path(&self) -> &str {
        match self {
            FileOp::Write { path, .. } | FileOp::MakeDir { path, .. } | FileOp::Remove { path } => {
                path
            }
        }
    }
}

/// The paths that a list of operations changed; `put` prints it as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// In the order of the operations. What was so already is not in it.
    pub changed: Vec<String>,
}

impl Changed {
    /// Reads what `put` printed.
    ///
    /// # Errors
    /// Where it is anything else.
    pub fn parse(printed: &[u8]) -> Result<Changed, serde_json::Error> {
        serde_json::from_slice(printed)
    }
}

/// Does all operations in order, one caller at a time. Where one of them is outside
/// of `root`, or would go through a symbolic link, nothing at all is done. A file is
/// replaced as a whole, and durably; what is so already is left alone.
///
/// # Errors
/// Where a path is refused, or the file system fails: then those before it are done.
pub fn apply(root: &Path, operations: &[FileOp]) -> Result<Changed, FilesError> {
    let dir = open_root(root)?;
    rustix::fs::flock(&dir, FlockOperation::LockExclusive)
        .map_err(|e| FilesError::Root { root: root.to_owned(), source: e.into() })?;
    for operation in operations {
        confine(root, operation.path())?.parent(&dir, false)?;
    }
    let mut changed = Vec::new();
    for operation in operations {
        if apply_one(root, &dir, operation)? {
            changed.push(operation.path().to_owned());
        }
    }
    Ok(Changed { changed })
}

fn apply_one(root: &Path, dir: &OwnedFd, operation: &FileOp) -> Result<bool, FilesError> {
    let confined = confine(root, operation.path())?;
    let create = !matches!(operation, FileOp::Remove { .. });
    let Some(parent) = confined.parent(dir, create)? else { return Ok(false) };
    let name = confined.name;
    let path = operation.path().to_owned();
    match operation {
        FileOp::Write { mode, content, .. } => {
            write(&parent, name, bits(*mode), content).map_err(|source| {
                // Never leaves half a file under either name.
                let _ = rustix::fs::unlinkat(&parent, temporary(name), AtFlags::empty());
                FilesError::Write { path, source }
            })
        }
        FileOp::MakeDir { mode, .. } => make_dir(&parent, name, bits(*mode))
            .map_err(|e| FilesError::MakeDir { path, source: e.into() }),
        FileOp::Remove { .. } => {
            remove(&parent, name).map_err(|e| FilesError::Remove { path, source: e.into() })
        }
    }
}

fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o777) as RawMode)
}

/// One name for each file: what a crash left is overwritten, not gathered.
fn temporary(name: &str) -> String {
    format!(".{name}.oi-part")
}

fn is_so(parent: &OwnedFd, name: &str, mode: Mode, content: &[u8]) -> std::io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(parent, name, flags, Mode::empty()) else {
        return Ok(false);
    };
    let mut file = File::from(file);
    let stat = rustix::fs::fstat(&file)?;
    if !file.metadata()?.is_file() || Mode::from_raw_mode(stat.st_mode) != mode {
        return Ok(false);
    }
    let mut old = Vec::new();
    file.read_to_end(&mut old)?;
    Ok(old == content)
}

fn write(parent: &OwnedFd, name: &str, mode: Mode, content: &[u8]) -> std::io::Result<bool> {
    if is_so(parent, name, mode, content)? {
        return Ok(false);
    }
    let part = temporary(name);
    match rustix::fs::unlinkat(parent, &part, AtFlags::empty()) {
        Err(e) if e != Errno::NOENT => return Err(e.into()),
        _ => {}
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(parent, &part, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content)?;
    rustix::fs::fchmod(&file, mode)?;
    file.sync_all()?;
    rustix::fs::renameat(parent, &part, parent, name)?;
    rustix::fs::fsync(parent)?;
    Ok(true)
}

fn make_dir(parent: &OwnedFd, name: &str, mode: Mode) -> rustix::io::Result<bool> {
    let made = match rustix::fs::mkdirat(parent, name, mode) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(e),
    };
    let dir = open_dir(parent, name)?;
    if Mode::from_raw_mode(rustix::fs::fstat(&dir)?.st_mode) == mode {
        return Ok(made);
    }
    rustix::fs::fchmod(&dir, mode)?;
    Ok(true)
}

fn remove<N: rustix::path::Arg + Copy>(parent: &OwnedFd, name: N) -> rustix::io::Result<bool> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::ISDIR) => {}
        Err(e) => return Err(e),
    }
    let dir = open_dir(parent, name)?;
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            remove(&dir, entry.file_name())?;
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map(|()| true)
}
