//! The files of one container.

use super::FileOp;
use sha2::{Digest, Sha256};

/// Files below one directory, and a hash over those that the container reads only at its start.
pub struct Files {
    dir: String,
    operations: Vec<FileOp>,
    at_start: Sha256,
}

impl Files {
    /// No files yet, below `dir`.
    pub fn new(dir: String) -> Files {
        Files { dir, operations: Vec::new(), at_start: Sha256::new() }
    }

    /// Adds a file that the container reads only at its start: a change restarts it.
    pub fn at_start(&mut self, name: &str, content: Vec<u8>) {
        self.at_start.update((name.len() as u64).to_le_bytes());
        self.at_start.update(name);
        self.at_start.update((content.len() as u64).to_le_bytes());
        self.at_start.update(&content);
        self.reloaded(name, content);
    }

    /// Adds a file that the container reloads by itself.
    pub fn reloaded(&mut self, name: &str, content: Vec<u8>) {
        let path = format!("{}/{name}", self.dir);
        self.operations.push(FileOp::Write { path, mode: 0o600, content });
    }

    /// Adds a directory, at any path.
    pub fn directory(&mut self, path: String) {
        self.operations.push(FileOp::MakeDir { path, mode: 0o700 });
    }

    /// The changes of files, and the hash over the files that are read at the start.
    pub fn finish(self) -> (Vec<FileOp>, String) {
        let hash = hex::encode(self.at_start.finalize());
        (self.operations, hash)
    }
}
