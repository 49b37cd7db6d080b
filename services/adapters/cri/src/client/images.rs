//! Calls about images.

use super::{CALL, CriClient, Result, gone, timed};
use k8s_cri::v1 as cri;
use std::time::Duration;

const PULL: Duration = Duration::from_secs(600);

fn spec(image: &str) -> cri::ImageSpec {
    cri::ImageSpec { image: image.to_owned(), ..Default::default() }
}

impl CriClient {
    /// Pulls an image unless the runtime has it.
    pub async fn ensure_image(&self, image: &str) -> Result<()> {
        let message = cri::ImageStatusRequest { image: Some(spec(image)), verbose: false };
        let mut images = self.images.clone();
        let status = images.image_status(timed(message, CALL)).await;
        if status.map_err(self.failed("ImageStatus"))?.into_inner().image.is_some() {
            return Ok(());
        }
        tracing::info!(image, "pulling");
        let message = cri::PullImageRequest { image: Some(spec(image)), ..Default::default() };
        let pulled = images.pull_image(timed(message, PULL)).await;
        pulled.map(drop).map_err(self.failed("PullImage"))
    }

    /// All images that the runtime has.
    pub async fn images(&self) -> Result<Vec<cri::Image>> {
        let request = timed(cri::ListImagesRequest::default(), CALL);
        let reply = self.images.clone().list_images(request).await;
        Ok(reply.map_err(self.failed("ListImages"))?.into_inner().images)
    }

    /// Removes an image by its id. It may be gone already.
    pub async fn remove_image(&self, id: &str) -> Result<()> {
        let message = cri::RemoveImageRequest { image: Some(spec(id)) };
        let reply = self.images.clone().remove_image(timed(message, CALL)).await;
        gone(reply.map(drop).map_err(self.failed("RemoveImage")))
    }
}
