//! Writing an object, frame by frame.

use crate::{FRAME, StoreError, purpose};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};
use oi_pki::{DataKey, Zeroizing};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// S3 takes no smaller part but as the last one.
const PART: usize = 5 << 20;

/// An object on its way into the store. It is not there before [`Writer::finish`].
pub struct Writer {
    objects: Arc<dyn ObjectStore>,
    object: String,
    key: DataKey,
    upload: Option<Box<dyn MultipartUpload>>,
    /// Sealed, and not sent yet.
    part: Vec<u8>,
    /// Not sealed yet: whether it is the last frame is not known.
    frame: Zeroizing<Vec<u8>>,
    frames: u64,
    bytes: u64,
    hash: Sha256,
}

/// What was written, before it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

impl Writer {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, object: &str, key: DataKey) -> Writer {
        Writer {
            objects,
            object: object.to_owned(),
            key,
            upload: None,
            part: Vec::new(),
            frame: Zeroizing::new(Vec::new()),
            frames: 0,
            bytes: 0,
            hash: Sha256::new(),
        }
    }

    fn failed(&self) -> impl FnOnce(object_store::Error) -> StoreError + use<> {
        let object = self.object.clone();
        move |source| StoreError::Call { what: "cannot write", object, source }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Where the store does not take them.
    pub async fn push(&mut self, mut content: &[u8]) -> Result<(), StoreError> {
        self.hash.update(content);
        self.bytes += content.len() as u64;
        while !content.is_empty() {
            if self.frame.len() == FRAME {
                self.seal(false)?;
            }
            let (now, later) = content.split_at(content.len().min(FRAME - self.frame.len()));
            self.frame.extend_from_slice(now);
            content = later;
            if self.part.len() >= PART {
                self.send().await?;
            }
        }
        Ok(())
    }

    fn seal(&mut self, last: bool) -> Result<(), StoreError> {
        let frame = self.frames;
        let sealed = self
            .key
            .seal(&purpose(&self.object, frame, last), &self.frame)
            .map_err(|source| StoreError::Key { object: self.object.clone(), frame, source })?;
        let bytes = sealed.len();
        let too_long = |_| StoreError::TooLong { object: self.object.clone(), frame, bytes };
        self.part.extend(u32::try_from(bytes).map_err(too_long)?.to_be_bytes());
        self.part.extend(sealed);
        self.frame.clear();
        self.frames += 1;
        Ok(())
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let path = Path::from(self.object.as_str());
                self.objects.put_multipart(&path).await.map_err(self.failed())?
            }
        };
        let part = PutPayload::from(std::mem::take(&mut self.part));
        let sent = upload.put_part(part).await;
        self.upload = Some(upload);
        sent.map_err(self.failed())
    }

    /// Nothing of the object stays in the store.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn abort(self) -> Result<(), StoreError> {
        let failed = self.failed();
        match self.upload {
            Some(mut upload) => upload.abort().await.map_err(failed),
            None => Ok(()),
        }
    }

    /// The object is in the store.
    ///
    /// # Errors
    /// Where the store does not take it. Then nothing of it stays there, if the store answers.
    pub async fn finish(mut self) -> Result<Written, StoreError> {
        match self.complete().await {
            Ok(()) => Ok(Written { bytes: self.bytes, sha256: self.hash.finalize().into() }),
            Err(error) => match self.abort().await {
                Ok(()) => Err(error),
                Err(source) => {
                    Err(StoreError::Left { after: Box::new(error), source: Box::new(source) })
                }
            },
        }
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        self.seal(true)?;
        self.send().await?;
        let failed = self.failed();
        match &mut self.upload {
            Some(upload) => upload.complete().await.map(drop).map_err(failed),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use object_store::memory::InMemory;
    use object_store::{Error, PutResult, Result, UploadPart};
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// An upload that cannot be completed. Remembers whether it was taken back.
    #[derive(Debug, Default)]
    struct Refused(Arc<AtomicBool>);

    type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

    impl MultipartUpload for Refused {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            Box::pin(async { Ok(()) })
        }
        fn complete<'a, 'b>(&'a mut self) -> Later<'b, PutResult>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Error::Generic { store: "test", source: "no".into() }) })
        }
        fn abort<'a, 'b>(&'a mut self) -> Later<'b, ()>
        where
            'a: 'b,
            Self: 'b,
        {
            self.0.store(true, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn an_upload_that_cannot_be_completed_is_taken_back() {
        let key = DataKey::generate().unwrap();
        let mut writer = Writer::new(Arc::new(InMemory::new()), "a/b", key);
        let taken_back = Arc::new(AtomicBool::new(false));
        writer.upload = Some(Box::new(Refused(taken_back.clone())));
        writer.push(b"content").await.unwrap();
        assert!(matches!(writer.finish().await, Err(StoreError::Call { .. })));
        assert!(taken_back.load(Ordering::Relaxed));
    }
}
