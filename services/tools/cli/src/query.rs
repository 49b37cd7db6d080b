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

impl Client {
    /// The server's position and state hash.
    pub async fn status(&self) -> Result<v1::GetStatusResponse, Failure> {
        self.call(v1::GetStatusRequest {}, async |mut api, r| api.get_status(r).await).await
    }

    /// All hypervisors.
    pub async fn hypervisors(&self) -> Result<Vec<v1::Hypervisor>, Failure> {
        let request = v1::ListHypervisorsRequest::default();
        let reply = self.call(request, async |mut api, r| api.list_hypervisors(r).await);
        Ok(reply.await?.hypervisors)
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
        let request = v1::ListClustersRequest { name: name.to_owned(), ..Default::default() };
        self.call(request, async |mut api, r| api.list_clusters(r).await).await
    }

    /// All nodes, or those of a cluster.
    pub async fn nodes(&self, cluster: &str) -> Result<Vec<v1::Node>, Failure> {
        let request = v1::ListNodesRequest { cluster: cluster.to_owned(), ..Default::default() };
        let reply = self.call(request, async |mut api, r| api.list_nodes(r).await);
        Ok(reply.await?.nodes)
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
        let (cluster, state) = (cluster.to_owned(), state.into());
        let request = v1::ListJobsRequest { cluster, state, ..Default::default() };
        let reply = self.call(request, async |mut api, r| api.list_jobs(r).await);
        Ok(reply.await?.jobs)
    }

    /// Events as they happen.
    pub async fn watch(
        &self,
        request: v1::WatchRequest,
    ) -> Result<tonic::Streaming<v1::WatchResponse>, Failure> {
        self.call(request, async |mut api, r| api.watch(r).await).await
    }
}
