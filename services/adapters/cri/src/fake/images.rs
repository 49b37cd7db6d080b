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

    unimplemented_calls! {
        list_images(ListImagesRequest) -> ListImagesResponse;
        remove_image(RemoveImageRequest) -> RemoveImageResponse;
        image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse;
    }
}
