//! The backup store: snapshots of etcd in an S3-compatible object store, or in a
//! directory.
//!
//! An object is a sequence of frames: four bytes of length (big endian), then so many
//! bytes sealed under the cluster's data key. Each frame is bound to its object, its
//! place and to whether it is the last one, so that nothing can be cut off, moved or
//! taken from another backup unseen. Once a cluster's data key is destroyed, nobody reads
//! its backups.

mod read;
mod write;

pub use read::Reader;
pub use write::{Writer, Written};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use oi_pki::{DataKey, KeyError};
use std::io::ErrorKind;
use std::sync::Arc;

/// The most that one frame holds, bytes, before it is sealed.
pub const FRAME: usize = 1 << 20;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not a URL.
    #[error("backup store {url:?} is no URL: write file:///directory or s3://bucket/prefix")]
    Url {
        /// What was given.
        url: String,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// The directory cannot be made.
    #[error("backup store {url}: the directory cannot be made")]
    Directory {
        /// Which store.
        url: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a store that is known, or wrong settings.
    #[error("backup store {url} cannot be used")]
    Open {
        /// Which store.
        url: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// The store refused.
    #[error("backup store: {what} {object}")]
    Call {
        /// What was to be done.
        what: &'static str,
        /// With which object.
        object: String,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// Sealed under another key, or changed.
    #[error("backup {object} cannot be read: frame {frame}")]
    Key {
        /// Which object.
        object: String,
        /// Which frame of it.
        frame: u64,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A frame is too long for its length to be said.
    #[error("backup {object} cannot be written: frame {frame} has {bytes} bytes")]
    TooLong {
        /// Which object.
        object: String,
        /// Which frame of it.
        frame: u64,
        /// How long.
        bytes: usize,
    },
    /// It ends within a frame, or has none.
    #[error("backup {0} is cut off")]
    CutOff(String),
    /// An upload failed, and could not be taken back.
    #[error("{after}; and parts of the upload stay in the store")]
    Left {
        /// Why it failed.
        after: Box<StoreError>,
        /// Why it was not taken back.
        #[source]
        source: Box<StoreError>,
    },
}

/// A store. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
}

impl Store {
    /// The store at `file:///directory` (made where it is absent) or `s3://bucket/prefix`;
    /// for the latter, credentials, region and endpoint come from the usual variables
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`,
    /// `AWS_ALLOW_HTTP`).
    ///
    /// # Errors
    /// Where the URL is none, or names a store that is not known. Nothing is asked of an
    /// S3 store yet.
    pub fn open(text: &str) -> Result<Store, StoreError> {
        let store = Store::named(text)?;
        let url = parse(text)?;
        if url.scheme() == "file" {
            let failed = |source| StoreError::Directory { url: text.to_owned(), source };
            let path = url.to_file_path().map_err(|()| failed(ErrorKind::InvalidInput.into()))?;
            std::fs::create_dir_all(path).map_err(failed)?;
        }
        Ok(store)
    }

    /// The same, and nothing is made.
    ///
    /// # Errors
    /// As [`open`](Store::open), but for the directory.
    pub fn named(text: &str) -> Result<Store, StoreError> {
        let url = parse(text)?;
        // What comes back is what somebody else has chosen already: as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let options = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (objects, prefix) = object_store::parse_url_opts(&url, options)
            .map_err(|source| StoreError::Open { url: text.to_owned(), source })?;
        Ok(Store { objects: Arc::new(PrefixStore::new(objects, prefix)) })
    }

    /// Begins an object.
    pub fn writer(&self, object: &str, key: DataKey) -> Writer {
        Writer::new(self.objects.clone(), object, key)
    }

    /// Reads an object from its beginning.
    ///
    /// # Errors
    /// Where it is not there.
    pub async fn reader(&self, object: &str, key: DataKey) -> Result<Reader, StoreError> {
        Reader::new(&self.objects, object, Some(key)).await
    }

    /// Reads an object that others have put there, which is not sealed, from its beginning.
    ///
    /// # Errors
    /// Where it is not there.
    pub async fn plain_reader(&self, object: &str) -> Result<Reader, StoreError> {
        Reader::new(&self.objects, object, None).await
    }

    /// Nothing is left below a prefix.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn remove(&self, prefix: &str) -> Result<(), StoreError> {
        let failed = |what| {
            let object = prefix.to_owned();
            move |source| StoreError::Call { what, object, source }
        };
        let path = Path::from(prefix);
        let all: Vec<_> =
            self.objects.list(Some(&path)).try_collect().await.map_err(failed("cannot list"))?;
        for object in all {
            match self.objects.delete(&object.location).await {
                Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
                Err(source) => return Err(failed("cannot delete")(source)),
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<url::Url, StoreError> {
    url::Url::parse(text).map_err(|source| StoreError::Url { url: text.to_owned(), source })
}

/// What a frame is bound to.
fn purpose(object: &str, frame: u64, last: bool) -> Vec<u8> {
    format!("oi/backup/{object}/{frame}/{}", if last { "last" } else { "more" }).into_bytes()
}
