//! The local registry keeps layers on disk but manifests in memory: they are put
//! back at each start from the files that `deploy/images` wrote.

use crate::command::cache_dir;
use serde::Deserialize;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// Why images cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There are none.
    #[error("no images in {0}: run deploy/images")]
    NoImages(PathBuf),
    /// A manifest cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A manifest is none.
    #[error("{path} is not a manifest: run deploy/images again")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The registry cannot be spoken to.
    #[error("the registry at {address} does not answer")]
    Io {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The registry refused a manifest.
    #[error("the registry refused {image}: {status}")]
    Rejected {
        /// Which image.
        image: String,
        /// What it said.
        status: String,
    },
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "mediaType")]
    media_type: String,
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::Read { path: dir.to_owned(), source };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.extension().is_none_or(|e| e != "part") {
            found.push(path);
        }
    }
    Ok(())
}

/// The directory that the registry serves.
pub fn directory() -> Result<PathBuf, RegistryError> {
    let dir = cache_dir().join("registry");
    if dir.is_dir() { Ok(dir) } else { Err(RegistryError::NoImages(dir)) }
}

/// Puts all manifests into the registry at `address`.
pub fn fill(address: &str) -> Result<(), RegistryError> {
    let dir = cache_dir().join("manifests");
    let mut found = Vec::new();
    files(&dir, &mut found)?;
    for path in found {
        let read = |source| RegistryError::Read { path: path.clone(), source };
        let text = std::fs::read(&path).map_err(read)?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|source| RegistryError::Manifest { path: path.clone(), source })?;
        let image = path.strip_prefix(&dir).unwrap_or(&path).display().to_string();
        put(address, &image, &manifest.media_type, &text)?;
    }
    Ok(())
}

fn put(address: &str, image: &str, media_type: &str, body: &[u8]) -> Result<(), RegistryError> {
    let failed = |source| RegistryError::Io { address: address.to_owned(), source };
    let (repository, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    let head = format!(
        "PUT /v2/{repository}/manifests/{tag} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).map_err(failed)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).map_err(failed)?;
    let status = reply.lines().next().unwrap_or_default().to_owned();
    if status.contains(" 201 ") {
        return Ok(());
    }
    Err(RegistryError::Rejected { image: image.to_owned(), status })
}
