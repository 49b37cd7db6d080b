//! The methods of the API: each says who may call it, and what it answers.

use crate::decision::command_span;
use crate::identity::{AccessRole, Identity};
use crate::operation::unknown;
use crate::rejected::Rejected;
use crate::service::Gateway;
use crate::{convert, join};
use oi_domain::{Cluster, Hypervisor};
use oi_events::{ClusterName, CommandEnvelope, NodeName};
use oi_proto::v1::{self, oi_server::Oi};
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};
use tracing::Instrument;

/// More is another page.
const LARGEST_PAGE: usize = 10_000;

pub(crate) type Reply<T> = Result<Response<T>, Status>;

fn cluster_filter(name: &str) -> Result<Option<ClusterName>, Rejected> {
    if name.is_empty() { Ok(None) } else { convert::parse("cluster", name).map(Some) }
}

/// A page of what is ordered by name: those after `token`, at most `size`, and the token
/// for those after them.
fn page<T>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    size: u32,
    token: &str,
) -> (Vec<T>, String) {
    let size = if size == 0 { LARGEST_PAGE } else { LARGEST_PAGE.min(size as usize) };
    let rest = all.filter(|one| token.is_empty() || key(one).as_str() > token);
    let mut found: Vec<T> = rest.take(size.saturating_add(1)).collect();
    let mut next = String::new();
    if found.len() > size {
        found.truncate(size);
        next = found.last().map(&key).unwrap_or_default();
    }
    (found, next)
}

/// A page of jobs. They come by their turn where all of them are asked for and fit, and else by id.
fn page_of_jobs(mut jobs: Vec<v1::Job>, size: u32, token: &str) -> (Vec<v1::Job>, String) {
    if size > 0 || !token.is_empty() || jobs.len() > LARGEST_PAGE {
        jobs.sort_by(|a, b| a.id.cmp(&b.id));
    }
    page(jobs.into_iter(), |job| job.id.clone(), size, token)
}

impl Gateway {
    fn who<T>(&self, request: &Request<T>) -> Result<Identity, Rejected> {
        Identity::of(request, self.asks)
    }

    /// What is shown of one cluster, to who may see it.
    fn of_cluster<T>(
        &self,
        who: &Identity,
        name: &str,
        show: impl FnOnce(&Cluster) -> T,
    ) -> Result<T, Rejected> {
        let name: ClusterName = convert::parse("cluster", name)?;
        self.view.read(|s| {
            who.needs_on(s, AccessRole::Viewer, name.as_str())?;
            s.clusters.get(&name).map(|c| show(c)).ok_or_else(|| unknown(&name))
        })
    }
}

#[tonic::async_trait]
impl Oi for Gateway {
    type WatchStream = ReceiverStream<Result<v1::WatchResponse, Status>>;

    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Reply<v1::SubmitResponse> {
        let who = self.who(&request)?;
        let asking = match request.metadata().get("traceparent").map(MetadataValue::to_str) {
            Some(Ok(asking)) => asking.to_owned(),
            // What is no text is no link.
            Some(Err(_)) | None => String::new(),
        };
        let sent = request.into_inner();
        let actor = who.actor(&sent.actor);
        let read = convert::envelope(v1::SubmitRequest { actor: actor.clone(), ..sent.clone() });
        let kind = match &read {
            Ok(envelope) => envelope.command.kind().name,
            Err(_) => "",
        };
        let asked = match read {
            Ok(envelope) => self.asked(&who, envelope).await,
            Err(refused) => Err(refused),
        };
        let decided = match asked {
            Ok(envelope) => {
                let span = command_span(&envelope);
                oi_trace::link(&span, &asking);
                self.decide(&envelope).instrument(span).await
            }
            Err(refused) => Err(refused),
        };
        self.answer(decided, &sent, |r| r.to_record(&sent.command_id, &actor, kind)).await
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Reply<v1::GetStatusResponse> {
        self.who(&request)?.needs(AccessRole::Viewer)?;
        let state = self.view.read(Clone::clone);
        let (position, head, level) = (state.position, state.head, state.level());
        let hash = self.budget.hash(state).await?;
        Ok(Response::new(v1::GetStatusResponse {
            position,
            state_hash: hash.to_string(),
            head: head.to_string(),
            version: self.version.to_owned(),
            feature_level: level.into(),
            newest_feature_level: oi_domain::FEATURE_LEVEL.into(),
        }))
    }

    async fn plan(&self, request: Request<v1::PlanRequest>) -> Reply<v1::PlanResponse> {
        let who = self.who(&request)?;
        let commands: Vec<CommandEnvelope> = request
            .into_inner()
            .commands
            .into_iter()
            .map(convert::planned)
            .collect::<Result<_, _>>()?;
        // On a copy, so that nobody waits for it.
        let state = self.view.read(Clone::clone);
        let commands = who.asks_all(&state, commands)?;
        let plan = self.budget.plan(who.account(), state, commands).await?;
        Ok(Response::new(convert::plan::plan(&plan)))
    }

    async fn list_backups(
        &self,
        request: Request<v1::ListBackupsRequest>,
    ) -> Reply<v1::ListBackupsResponse> {
        let who = self.who(&request)?;
        let name = request.into_inner().cluster;
        Ok(Response::new(self.of_cluster(&who, &name, convert::backup::backups)?))
    }

    async fn list_kubeconfigs(
        &self,
        request: Request<v1::ListKubeconfigsRequest>,
    ) -> Reply<v1::ListKubeconfigsResponse> {
        let who = self.who(&request)?;
        let name = request.into_inner().cluster;
        let kubeconfigs = self.of_cluster(&who, &name, convert::cluster::kubeconfigs)?;
        Ok(Response::new(v1::ListKubeconfigsResponse { kubeconfigs }))
    }

    async fn list_join_tokens(
        &self,
        request: Request<v1::ListJoinTokensRequest>,
    ) -> Reply<v1::ListJoinTokensResponse> {
        let who = self.who(&request)?;
        let name = request.into_inner().cluster;
        let tokens = self.of_cluster(&who, &name, join::tokens)?;
        Ok(Response::new(v1::ListJoinTokensResponse { tokens }))
    }

    async fn get_join_token(
        &self,
        request: Request<v1::GetJoinTokenRequest>,
    ) -> Reply<v1::GetJoinTokenResponse> {
        let who = self.who(&request)?;
        let sent = request.into_inner();
        self.view.read(|s| who.needs_on(s, AccessRole::Operator, &sent.cluster))?;
        Ok(Response::new(self.join_token(&sent).await?))
    }

    async fn list_hypervisors(
        &self,
        request: Request<v1::ListHypervisorsRequest>,
    ) -> Reply<v1::ListHypervisorsResponse> {
        self.who(&request)?.needs_all(AccessRole::Viewer)?;
        let r = request.into_inner();
        Ok(Response::new(self.view.read(|s| {
            let name = |h: &&Arc<Hypervisor>| h.spec.name.to_string();
            let (found, next) = page(s.hypervisors.values(), name, r.page_size, &r.page_token);
            v1::ListHypervisorsResponse {
                position: s.position,
                hypervisors: found
                    .into_iter()
                    .map(|h| convert::hypervisor::hypervisor(s, h))
                    .collect(),
                next_page_token: next,
            }
        })))
    }

    async fn list_clusters(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Reply<v1::ListClustersResponse> {
        let who = self.who(&request)?;
        who.needs(AccessRole::Viewer)?;
        let r = request.into_inner();
        let wanted = cluster_filter(&r.name)?;
        Ok(Response::new(self.view.read(|s| {
            let clusters = convert::cluster::clusters(s, wanted.as_ref())
                .filter(|(name, _)| who.sees(s, name.as_str()));
            let (found, next) =
                page(clusters, |(name, _)| name.to_string(), r.page_size, &r.page_token);
            v1::ListClustersResponse {
                position: s.position,
                clusters: found
                    .into_iter()
                    .map(|(n, c)| convert::cluster::cluster(s, n, c))
                    .collect(),
                next_page_token: next,
            }
        })))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Reply<v1::ListNodesResponse> {
        let who = self.who(&request)?;
        who.needs(AccessRole::Viewer)?;
        let r = request.into_inner();
        let wanted = cluster_filter(&r.cluster)?;
        Ok(Response::new(self.view.read(|s| {
            let clusters = convert::cluster::clusters(s, wanted.as_ref())
                .filter(|(name, _)| who.sees(s, name.as_str()));
            let nodes =
                clusters.flat_map(|(cluster, c)| c.nodes.iter().map(move |(n, v)| (cluster, n, v)));
            let key =
                |(cluster, name, _): &(&ClusterName, &NodeName, _)| format!("{cluster} {name}");
            let (found, next) = page(nodes, key, r.page_size, &r.page_token);
            v1::ListNodesResponse {
                position: s.position,
                nodes: found.into_iter().map(|(c, n, v)| convert::node::node(c, n, v)).collect(),
                next_page_token: next,
            }
        })))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Reply<v1::ListJobsResponse> {
        let who = self.who(&request)?;
        who.needs(AccessRole::Viewer)?;
        let r = request.into_inner();
        let wanted = cluster_filter(&r.cluster)?;
        Ok(Response::new(self.view.read(|s| {
            let mut jobs = convert::job::jobs(s, wanted.as_ref());
            let wanted =
                |job: &v1::Job| r.state == v1::JobState::Unspecified as i32 || r.state == job.state;
            jobs.retain(|job| who.sees(s, &job.cluster) && wanted(job));
            let (jobs, next) = page_of_jobs(jobs, r.page_size, &r.page_token);
            v1::ListJobsResponse { position: s.position, jobs, next_page_token: next }
        })))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Reply<v1::GetJobResponse> {
        let who = self.who(&request)?;
        Ok(Response::new(self.job(&request.into_inner().id, &who).await?))
    }

    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Reply<v1::GetOperationResponse> {
        let who = self.who(&request)?;
        who.needs(AccessRole::Viewer)?;
        Ok(Response::new(self.operation(request.into_inner(), &who).await?))
    }

    async fn list_rejections(
        &self,
        request: Request<v1::ListRejectionsRequest>,
    ) -> Reply<v1::ListRejectionsResponse> {
        self.who(&request)?.needs_all(AccessRole::Admin)?;
        Ok(Response::new(self.rejections(request.into_inner()).await?))
    }

    async fn create_kubeconfig(
        &self,
        request: Request<v1::CreateKubeconfigRequest>,
    ) -> Reply<v1::CreateKubeconfigResponse> {
        let who = self.who(&request)?;
        let sent = request.into_inner();
        let actor = who.actor(&sent.actor);
        let issued = match self.view.read(|s| who.needs_on(s, AccessRole::Operator, &sent.cluster))
        {
            Ok(()) => {
                let request = v1::CreateKubeconfigRequest { actor: actor.clone(), ..sent.clone() };
                self.issue(request).await
            }
            Err(refused) => Err(refused),
        };
        self.answer(issued, &sent, |r| r.to_record("", &actor, "RecordKubeconfig")).await
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Reply<Self::WatchStream> {
        let who = self.who(&request)?;
        who.needs(AccessRole::Viewer)?;
        Ok(Response::new(ReceiverStream::new(self.stream(request.into_inner(), who)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(count: usize) -> Vec<v1::Job> {
        let job = |n| v1::Job { id: format!("{n:06}"), ..v1::Job::default() };
        (0..count).rev().map(job).collect()
    }

    #[test]
    fn pages_of_all_jobs_leave_none_out_and_have_none_twice() {
        let all = jobs(LARGEST_PAGE + 10);
        let (mut found, next) = page_of_jobs(all.clone(), 0, "");
        assert_eq!(found.len(), LARGEST_PAGE);
        let (rest, end) = page_of_jobs(all.clone(), 0, &next);
        found.extend(rest);
        assert_eq!(end, "");
        assert!(found.iter().eq(all.iter().rev()));
    }

    #[test]
    fn jobs_that_fit_come_by_their_turn() {
        assert_eq!(page_of_jobs(jobs(3), 0, "").0, jobs(3));
    }
}
