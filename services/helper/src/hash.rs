//! Telling what files are there, without their contents.

use crate::directory::{FilesError, confine, open_root};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Absolute path.
    pub path: String,
    /// Hash of its content (SHA-256, hexadecimal) and permission bits; `None` where
    /// there is no such file.
    pub content: Option<(String, u32)>,
}

/// One line: path, hash and octal mode with tabs in between; `-` for what is absent.
impl std::fmt::Display for FileState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.content {
            Some((sha256, mode)) => write!(f, "{}\t{sha256}\t{mode:04o}", self.path),
            None => write!(f, "{}\t-\t-", self.path),
        }
    }
}

impl FileState {
    /// Reads one line of what `hash` printed; `None` where it is anything else.
    pub fn parse(line: &str) -> Option<FileState> {
        let mut parts = line.split('\t');
        let (path, sha256, mode) = (parts.next()?, parts.next()?, parts.next()?);
        let content = match (sha256, mode) {
            ("-", "-") => None,
            (sha256, mode) => Some((sha256.to_owned(), u32::from_str_radix(mode, 8).ok()?)),
        };
        parts.next().is_none().then(|| FileState { path: path.to_owned(), content })
    }
}

/// Looks at files below `root`.
///
/// # Errors
/// Where a path is refused as [`crate::apply`] would, or a file cannot be read.
pub fn hash<P: AsRef<str>>(root: &Path, paths: &[P]) -> Result<Vec<FileState>, FilesError> {
    let dir = open_root(root)?;
    let one = |path: &str| {
        let failed = |source| FilesError::Read { path: path.to_owned(), source };
        let confined = confine(root, path)?;
        let absent = FileState { path: path.to_owned(), content: None };
        let Some(parent) = confined.parent(&dir, false)? else { return Ok(absent) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&parent, confined.name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(absent),
            Err(e) => return Err(failed(e.into())),
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        let mut digest = Sha256::new();
        std::io::copy(&mut file, &mut digest).map_err(failed)?;
        Ok(FileState { content: Some((hex::encode(digest.finalize()), mode)), ..absent })
    };
    paths.iter().map(|path| one(path.as_ref())).collect()
}
