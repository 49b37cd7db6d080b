//! The image service.

use super::calls::{Later, Reply, unimplemented_calls};
use super::{FakeCri, When};
use k8s_cri::v1 as cri;
use k8s_cri::v1::image_service_server::ImageService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl ImageService for FakeCri {
    async fn image_status(
        &self,
        request: Request<cri::ImageStatusRequest>,
    ) -> Reply<cri::ImageStatusResponse> {
        let inner = self.enter("ImageStatus")?;
        let name = request.into_inner().image.unwrap_or_default().image;
        let image = inner.images.contains(&name).then(|| cri::Image {
            id: name.clone(),
            repo_tags: vec![name],
            ..Default::default()
        });
        Ok(Response::new(cri::ImageStatusResponse { image, ..Default::default() }))
    }

    async fn pull_image(
        &self,
        request: Request<cri::PullImageRequest>,
    ) -> Reply<cri::PullImageResponse> {
        let mut inner = self.enter("PullImage")?;
        let name = request.into_inner().image.unwrap_or_default().image;
        if inner.absent_images.iter().any(|absent| name.contains(absent.as_str())) {
            return Err(Status::not_found(format!("{name}: not found")));
        }
        inner.images.insert(name.clone());
        inner.inject("PullImage", When::After)?;
        Ok(Response::new(cri::PullImageResponse { image_ref: name }))
    }

    async fn list_images(
        &self,
        _: Request<cri::ListImagesRequest>,
    ) -> Reply<cri::ListImagesResponse> {
        let inner = self.enter("ListImages")?;
        let image = |name: &String| cri::Image {
            id: name.clone(),
            repo_tags: vec![name.clone()],
            ..Default::default()
        };
        let images = inner.images.iter().map(image).collect();
        Ok(Response::new(cri::ListImagesResponse { images }))
    }

    async fn remove_image(
        &self,
        request: Request<cri::RemoveImageRequest>,
    ) -> Reply<cri::RemoveImageResponse> {
        let mut inner = self.enter("RemoveImage")?;
        inner.images.remove(&request.into_inner().image.unwrap_or_default().image);
        Ok(Response::new(cri::RemoveImageResponse {}))
    }

    unimplemented_calls! {
        image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse;
    }
}
