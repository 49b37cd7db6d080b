//! Reading an object, frame by frame.

use crate::{FRAME, StoreError, purpose};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use oi_pki::{DataKey, Zeroizing};
use std::sync::Arc;

/// An object on its way out of the store.
pub struct Reader {
    object: String,
    /// None where the object is not sealed.
    key: Option<DataKey>,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    /// What the store has sent, and no frame was made of yet.
    buffer: Vec<u8>,
    left: u64,
    frames: u64,
}

impl Reader {
    pub(crate) async fn new(
        objects: &Arc<dyn ObjectStore>,
        object: &str,
        key: Option<DataKey>,
    ) -> Result<Reader, StoreError> {
        let found = objects.get(&Path::from(object)).await.map_err(|source| StoreError::Call {
            what: "cannot read",
            object: object.to_owned(),
            source,
        })?;
        let left = found.meta.size;
        let (object, buffer) = (object.to_owned(), Vec::new());
        Ok(Reader { object, key, stream: found.into_stream(), buffer, left, frames: 0 })
    }

    async fn fill(&mut self, length: usize) -> Result<(), StoreError> {
        while self.buffer.len() < length {
            match self.stream.next().await {
                Some(Ok(more)) => self.buffer.extend_from_slice(&more),
                Some(Err(source)) => {
                    let object = self.object.clone();
                    return Err(StoreError::Call { what: "cannot read", object, source });
                }
                None => return Err(StoreError::CutOff(self.object.clone())),
            }
        }
        Ok(())
    }

    /// The next piece of an object that is not sealed.
    async fn plain(&mut self) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let length = self.left.min(FRAME as u64) as usize;
        self.fill(length).await?;
        self.left -= length as u64;
        self.frames += 1;
        Ok(Zeroizing::new(self.buffer.drain(..length).collect()))
    }

    /// The next frame, opened; none after the last one.
    ///
    /// # Errors
    /// Where the object was cut off or changed, or is sealed under another key.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        if self.left == 0 {
            let none = self.frames == 0;
            return if none { Err(StoreError::CutOff(self.object.clone())) } else { Ok(None) };
        }
        let Some(key) = self.key.clone() else { return self.plain().await.map(Some) };
        self.fill(4).await?;
        let length =
            u32::from_be_bytes([self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]]);
        let whole = 4 + u64::from(length);
        let Some(left) = self.left.checked_sub(whole) else {
            return Err(StoreError::CutOff(self.object.clone()));
        };
        let end = 4 + length as usize;
        self.fill(end).await?;
        let frame = self.frames;
        let opened = key
            .open(&purpose(&self.object, frame, left == 0), &self.buffer[4..end])
            .map_err(|source| StoreError::Key { object: self.object.clone(), frame, source })?;
        self.buffer.drain(..end);
        (self.left, self.frames) = (left, frame + 1);
        Ok(Some(opened))
    }
}
