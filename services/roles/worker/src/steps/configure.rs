//! What is to be kept inside of a cluster is there: through its API, asked from where its
//! API servers are.

use super::{StepError, Steps};
use crate::addons::{
    KINDS, Object, OpenToken, Opened, Subject, delete, is_ours, is_same, list_kept, listed,
    objects, title,
};
use crate::pods::tunnel_key;
use oi_clock::now_ms;
use oi_cri::{Helper, Reply, Request, Verb};
use oi_domain::{Hypervisor, TUNNEL_KEY};
use oi_events::{ClusterName, ClusterUid, Component, Generation, Job, PortUse, token_letters};
use oi_keyring::Keyring;
use oi_pki::{DataKey, LeafProfile, certificate_pem, private_key_pem};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// As whom oi asks clusters' APIs; their audit logs name it.
const USER: &str = "oi:keeper-of-addons";
const CREDENTIAL_LIFE_MS: u64 = 3600 * 1000;
const LIMIT_MS: u64 = 30_000;
/// What a cluster itself makes at its start under a name that oi must use.
const TAKEN_OVER: [&str; 2] = ["Endpoints default/kubernetes", "EndpointSlice default/kubernetes"];
/// The label of Nodes whose machines have left.
const LEFT: &str = "oi%2Fleft";
/// Remembers what was put there last, by which release.
const RECORD: &str = "oi-kept";

/// A way to a cluster's API.
pub struct Api {
    helper: Helper,
    server: oi_cri::Server,
    hypervisor: Arc<Hypervisor>,
}

/// What a pass over a cluster found.
#[derive(Debug, Default)]
pub struct Pass {
    /// What was put right, and of that what was not there at all.
    pub changed: Vec<String>,
    pub absent: Vec<String>,
    /// How many worker nodes there are.
    pub worker_nodes: u64,
    /// Another release keeps it, or a newer decision was carried out: nothing was touched.
    pub kept_by_another: bool,
    /// An object of somebody else, under a name that oi would use.
    pub stranger: Option<String>,
    /// For which decision this was.
    pub generation: Generation,
}

impl Api {
    /// Asks; the answers in order.
    pub async fn call(&self, requests: Vec<Request>) -> Result<Vec<Reply>, StepError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.helper.kube(&self.server, requests).await?)
    }

    /// Asks for one object, or a list.
    pub async fn get(&self, path: &str) -> Result<Value, StepError> {
        let replies = self.call(vec![Request::get(path)]).await?;
        Ok(first(replies)?.object()?)
    }

    /// Removes objects, some of which may be gone already.
    pub async fn remove(&self, paths: Vec<String>) -> Result<(), StepError> {
        let delete = |path| Request { verb: Verb::Delete, path, body: Vec::new() };
        for reply in self.call(paths.into_iter().map(delete).collect()).await? {
            if reply.status != 404 {
                reply.object()?;
            }
        }
        Ok(())
    }

    /// The same way with another patience.
    pub fn patient(mut self, limit_ms: u64) -> Api {
        self.server.limit_ms = limit_ms;
        self
    }
}

/// The only answer.
pub fn first(replies: Vec<Reply>) -> Result<Reply, StepError> {
    replies.into_iter().next().ok_or(StepError::NoAnswer)
}

fn version(object: &Value) -> Option<&str> {
    object["metadata"]["resourceVersion"].as_str()
}

/// Names what a release keeps inside of clusters: to be changed with each change of what
/// [`objects`] gives for the same state.
const LAYOUT: &str = "1";

impl Steps {
    /// What a job asks for, if something is still to be kept inside of its cluster.
    pub(super) async fn configure(&self, job: &Job) -> Result<(), StepError> {
        let malformed = || StepError::Malformed(job.id.to_string());
        let name = job.cluster.as_ref().ok_or_else(malformed)?;
        let uid = job.cluster_uid.ok_or_else(malformed)?;
        let pass = self.keep_inside(name, uid, true).await?;
        match pass.and_then(|pass| pass.stranger) {
            Some(stranger) => Err(StepError::Stranger(stranger)),
            None => Ok(()),
        }
    }

    /// A way to the cluster's API: the first that answers.
    pub async fn api(&self, subject: &Subject) -> Result<Api, StepError> {
        let key = self.keyring.key(subject.cluster.uid).await?;
        let mut last = StepError::NoAnswer;
        for (hypervisor, address) in self.servers(subject) {
            let server = oi_cri::Server {
                address,
                authorities: subject.authorities(),
                identity: identity(subject, &key)?,
                limit_ms: LIMIT_MS,
            };
            let tried = async {
                let helper = self.hypervisors.helper(&hypervisor).await?;
                let api = Api { helper, server, hypervisor: hypervisor.clone() };
                api.get("/readyz?verbose=false").await.map(drop).or_else(|e| match e {
                    // Its answer is a word, not an object.
                    StepError::Kube(oi_cri::KubeError::Json(_)) => Ok(()),
                    other => Err(other),
                })?;
                Ok(api)
            };
            let tried = tried.await;
            match self.noted(&hypervisor, tried) {
                Ok(api) => return Ok(api),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// API servers with their hypervisors, those that are ready first.
    fn servers(&self, subject: &Subject) -> Vec<(Arc<Hypervisor>, String)> {
        let mut carriers = subject.cluster.carriers(Component::ApiServer);
        carriers.sort_by_key(|(_, n)| !n.is_ready());
        let of = |(_, n): (&oi_events::NodeName, &oi_domain::Node)| {
            let h = self.view.read(|s| s.hypervisors.get(&n.hypervisor).cloned());
            let h = h.filter(|h| !h.is_away());
            let port = n.ports.get(&PortUse::ApiServer)?;
            h.map(|h| (h.clone(), std::net::SocketAddr::new(h.spec.address, *port).to_string()))
        };
        carriers.into_iter().filter_map(of).collect()
    }

    /// One pass over what is to be inside of a cluster; none where nothing is, for now. Where
    /// another release has put something there for this generation, only a job replaces that.
    pub async fn keep_inside(
        &self,
        name: &ClusterName,
        uid: ClusterUid,
        by_job: bool,
    ) -> Result<Option<Pass>, StepError> {
        // One pass at a time: an older one must not write over a newer one.
        let turn = self.passes.of(uid);
        let _held = turn.lock().await;
        let Some(subject) = self.view.read(|s| Subject::find(s, name)) else { return Ok(None) };
        if subject.cluster.uid != uid {
            return Ok(None);
        }
        let api = self.api(&subject).await?;
        let done = self.pass(&api, &subject, by_job).await;
        self.noted(&api.hypervisor, done).map(Some)
    }

    async fn pass(&self, api: &Api, subject: &Subject, by_job: bool) -> Result<Pass, StepError> {
        let mut looks = vec![
            Request::get("/api/v1/nodes?limit=1"),
            Request::get(format!("/api/v1/nodes?labelSelector={LEFT}")),
            Request::get(format!("/api/v1/namespaces/kube-system/configmaps/{RECORD}")),
        ];
        looks.extend(list_kept());
        let replies = api.call(looks).await?;
        let (Some(nodes), Some(left), Some(record), Some(lists)) =
            (replies.first(), replies.get(1), replies.get(2), replies.get(3..))
        else {
            return Err(StepError::NoAnswer);
        };
        let generation = subject.addons.generation;
        let mut pass =
            Pass { generation, worker_nodes: count(&nodes.object()?), ..Pass::default() };
        forget_left(api, &left.object()?).await?;
        if record.is_success() {
            let data = &record.object()?["data"];
            let recorded = data["generation"].as_str().and_then(|g| g.parse::<u64>().ok());
            let is_newer = recorded.is_some_and(|recorded| recorded > generation.0);
            let another = recorded == Some(generation.0) && data["layout"] != LAYOUT;
            if is_newer || (another && !by_job) {
                pass.kept_by_another = true;
                return Ok(pass);
            }
        }
        let mut kept = Vec::new();
        for (reply, kind) in lists.iter().zip(&KINDS) {
            kept.extend(listed(&reply.object()?, kind).into_iter().filter(is_ours));
        }
        // Before machines are told that they have a link: the hub knows of it.
        if subject.cluster.tunnel.is_some() {
            self.tell_tunnel(subject, &all_nodes(api).await?).await?;
        }
        let opened = self.open(subject).await?;
        let mut wanted = objects(subject, &opened, pass.worker_nodes);
        let data = json!({"generation": generation.to_string(), "layout": LAYOUT});
        wanted.push(Object::new("v1", "ConfigMap", "kube-system", RECORD, json!({"data": data})));
        let before: BTreeMap<String, &Value> = kept.iter().map(|o| (title(o), o)).collect();
        let strangers = strangers(api, &wanted, &before).await?;
        let now = self.view.read(|s| Subject::find(s, &subject.name).map(|s| s.addons.generation));
        if now != Some(generation) {
            // Decided otherwise meanwhile: the next pass knows.
            return Ok(pass);
        }
        // What is to go goes first: nothing that is in the way keeps a revoked token alive.
        let titles: BTreeSet<String> = wanted.iter().map(Object::title).collect();
        let gone: Vec<&Value> = kept.iter().filter(|o| !titles.contains(&title(o))).collect();
        let deletions = gone.iter().filter_map(|o| delete(o)).collect();
        for (reply, object) in api.call(deletions).await?.iter().zip(&gone) {
            match reply.status {
                404 | 409 => {}
                _ => {
                    reply.object()?;
                    pass.changed.push(title(object));
                }
            }
        }
        // A token at its end is no repair.
        pass.changed.retain(|title| !title.contains("/bootstrap-token-"));
        wanted.retain(|object| !strangers.contains(&object.title()));
        let changed = apply(api, &wanted, &before).await?;
        pass.absent = changed.iter().filter(|t| !before.contains_key(*t)).cloned().collect();
        pass.changed.extend(changed);
        pass.stranger = strangers.into_iter().next();
        Ok(pass)
    }

    /// What is sealed, and is needed inside of the cluster.
    async fn open(&self, subject: &Subject) -> Result<Opened, StepError> {
        let uid = subject.cluster.uid;
        let key = self.keyring.key(uid).await?;
        // The cluster itself removes them when they end, by the second.
        let now = now_ms() + 2_000;
        let mut tokens = Vec::new();
        for (id, token) in subject.addons.tokens.iter().filter(|(_, t)| t.expires_ms > now) {
            let bytes = Keyring::open(&key, uid, &token.credential)?;
            tokens.push(OpenToken {
                id: id.clone(),
                secret: token_letters(&bytes),
                expires_ms: token.expires_ms,
                description: token.description.clone(),
            });
        }
        let hub_key = match subject.cluster.credentials.get(TUNNEL_KEY) {
            Some(sealed) => Some(tunnel_key(&Keyring::open(&key, uid, sealed)?)?.public()),
            None => None,
        };
        Ok(Opened { tokens, hub_key })
    }
}

/// Machines that have left say so on their Node, which they may not delete themselves.
async fn forget_left(api: &Api, left: &Value) -> Result<(), StepError> {
    let names = left["items"].as_array().into_iter().flatten();
    let names = names.filter_map(|node| node["metadata"]["name"].as_str());
    api.remove(names.map(|name| format!("/api/v1/nodes/{name}")).collect()).await
}

/// What somebody else made under a name that oi would use: it is left alone.
async fn strangers(
    api: &Api,
    wanted: &[Object],
    before: &BTreeMap<String, &Value>,
) -> Result<BTreeSet<String>, StepError> {
    let is_unknown = |o: &&Object| {
        let title = o.title();
        !before.contains_key(&title) && !TAKEN_OVER.contains(&title.as_str())
    };
    let unknown: Vec<&Object> = wanted.iter().filter(is_unknown).collect();
    let looks = unknown.iter().filter_map(|o| o.path()).map(Request::get).collect();
    let mut strangers = BTreeSet::new();
    for (reply, object) in api.call(looks).await?.iter().zip(unknown) {
        if reply.status != 404 && !is_ours(&reply.object()?) {
            strangers.insert(object.title());
        }
    }
    Ok(strangers)
}

/// Makes all of it so; the titles of what was otherwise. That others say something more, of
/// its status for example, is no change.
async fn apply(
    api: &Api,
    wanted: &[Object],
    before: &BTreeMap<String, &Value>,
) -> Result<Vec<String>, StepError> {
    let replies = api.call(wanted.iter().filter_map(Object::apply).collect()).await?;
    let mut changed = Vec::new();
    for (reply, object) in replies.iter().zip(wanted) {
        let title = object.title();
        if !reply.is_success() {
            let (status, message) = (reply.status, reply.message());
            return Err(StepError::Object { title, status, message });
        }
        let now = reply.object()?;
        let same =
            |is: &&Value| version(is) == version(&now) || is_same(&object.0, Some(is), Some(&now));
        if !before.get(&title).is_some_and(same) {
            changed.push(title);
        }
    }
    Ok(changed)
}

/// So many Nodes at a time: each is some 10 KiB.
const PAGE: usize = 200;

/// All Nodes of the cluster.
pub async fn all_nodes(api: &Api) -> Result<Vec<Value>, StepError> {
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let list = api.get(&format!("/api/v1/nodes?limit={PAGE}&continue={next}")).await?;
        all.extend(list["items"].as_array().cloned().unwrap_or_default());
        match list["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => next = token.to_owned(),
            _ => return Ok(all),
        }
    }
}

/// How many there are, of a list of which only the first was asked for.
fn count(list: &Value) -> u64 {
    let here = list["items"].as_array().map_or(0, Vec::len);
    let more = list["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
    u64::try_from(here).unwrap_or(0) + more
}

/// A client certificate for this hour, made here and kept nowhere.
fn identity(subject: &Subject, key: &DataKey) -> Result<oi_cri::Identity, StepError> {
    let authority = subject.cluster.signs_users().ok_or(StepError::NoCa)?;
    let ca_key = Keyring::open(key, subject.cluster.uid, authority)?;
    let profile = LeafProfile::client(USER, &["system:masters"]);
    let made = oi_pki::issue(&authority.public, &ca_key, &profile, now_ms(), CREDENTIAL_LIFE_MS)?;
    Ok(oi_cri::Identity::Certificate {
        certificate: certificate_pem(&made.certificate),
        key: private_key_pem(&made.key).to_string(),
    })
}
