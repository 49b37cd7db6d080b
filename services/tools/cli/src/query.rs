//! Queries that several nouns ask. Those of one noun are in its own file.

use crate::client::Client;
use crate::error::Failure;
use oi_proto::v1;

/// All events of a cluster, or of all, from a position on.
pub fn events_from(position: u64, cluster: &str) -> v1::WatchRequest {
    v1::WatchRequest {
        from_position: position,
        cluster: cluster.to_owned(),
        ..v1::WatchRequest::default()
    }
}

/// Asks for one page after the other, each by its token.
async fn all_pages<T>(
    mut page: impl AsyncFnMut(String) -> Result<(Vec<T>, String), Failure>,
) -> Result<Vec<T>, Failure> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let (found, next) = page(token).await?;
        all.extend(found);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

impl Client {
    /// The server's position and state hash.
    pub async fn status(&self) -> Result<v1::GetStatusResponse, Failure> {
        self.call(v1::GetStatusRequest {}, async |mut api, r| api.get_status(r).await).await
    }

    /// All hypervisors.
    pub async fn hypervisors(&self) -> Result<Vec<v1::Hypervisor>, Failure> {
        all_pages(async |page_token| {
            let request = v1::ListHypervisorsRequest { page_token, ..Default::default() };
            let reply = self.call(request, async |mut api, r| api.list_hypervisors(r).await);
            reply.await.map(|r| (r.hypervisors, r.next_page_token))
        })
        .await
    }

    /// One hypervisor.
    ///
    /// # Errors
    /// Also where there is none of that name.
    pub async fn hypervisor(&self, name: &str) -> Result<v1::Hypervisor, Failure> {
        let mut all = self.hypervisors().await?.into_iter();
        let found = all.find(|h| h.spec.as_ref().is_some_and(|s| s.name == name));
        found.ok_or_else(|| Failure::NotFound(format!("hypervisor {name} is not known")))
    }

    /// One cluster.
    ///
    /// # Errors
    /// Also where there is none of that name.
    pub async fn cluster(&self, name: &str) -> Result<v1::Cluster, Failure> {
        let found = self.clusters(name).await?.into_iter().next();
        found.ok_or_else(|| Failure::NotFound(format!("cluster {name} is not known")))
    }

    /// All clusters, or the one of that name.
    pub async fn clusters(&self, name: &str) -> Result<Vec<v1::Cluster>, Failure> {
        Ok(self.clusters_at(name).await?.clusters)
    }

    /// Clusters with the log position of the answer: a watch from the next one on misses
    /// nothing, whichever server answers it.
    pub async fn clusters_at(&self, name: &str) -> Result<v1::ListClustersResponse, Failure> {
        let mut first = None;
        let clusters = all_pages(async |page_token| {
            let name = name.to_owned();
            let request = v1::ListClustersRequest { name, page_token, ..Default::default() };
            let page = self.call(request, async |mut api, r| api.list_clusters(r).await).await?;
            first.get_or_insert(page.position);
            Ok((page.clusters, page.next_page_token))
        })
        .await?;
        // There is a first page, also of nothing.
        let position = first.unwrap_or_default();
        Ok(v1::ListClustersResponse { position, clusters, ..Default::default() })
    }

    /// All nodes, or those of a cluster.
    pub async fn nodes(&self, cluster: &str) -> Result<Vec<v1::Node>, Failure> {
        all_pages(async |page_token| {
            let cluster = cluster.to_owned();
            let request = v1::ListNodesRequest { cluster, page_token, ..Default::default() };
            let reply = self.call(request, async |mut api, r| api.list_nodes(r).await);
            reply.await.map(|r| (r.nodes, r.next_page_token))
        })
        .await
    }

    /// All jobs that are owed, or those for a cluster.
    pub async fn jobs(&self, cluster: &str) -> Result<Vec<v1::Job>, Failure> {
        self.jobs_in(cluster, v1::JobState::Unspecified).await
    }

    /// Jobs that are in a state.
    pub async fn jobs_in(
        &self,
        cluster: &str,
        state: v1::JobState,
    ) -> Result<Vec<v1::Job>, Failure> {
        all_pages(async |page_token| {
            let (cluster, state) = (cluster.to_owned(), state.into());
            let request = v1::ListJobsRequest { cluster, state, page_token, ..Default::default() };
            let reply = self.call(request, async |mut api, r| api.list_jobs(r).await);
            reply.await.map(|r| (r.jobs, r.next_page_token))
        })
        .await
    }

    /// Events as they happen.
    pub async fn watch(
        &self,
        request: v1::WatchRequest,
    ) -> Result<tonic::Streaming<v1::WatchResponse>, Failure> {
        self.call(request, async |mut api, r| api.watch(r).await).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::all_pages;

    #[tokio::test]
    async fn a_list_of_several_pages_is_read_whole() {
        let page = async |token: String| match token.as_str() {
            "" => Ok((vec![1, 2], "2".to_owned())),
            "2" => Ok((vec![3], String::new())),
            other => panic!("{other}"),
        };
        assert_eq!(all_pages(page).await.unwrap(), [1, 2, 3]);
    }
}
