//! Decisions about add-ons and join tokens.

use crate::addons::InstalledAddons;
use crate::decide::Context;
use crate::guards::{known, running, staying};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    AddonsCommand, AddonsSetV1, ClusterName, CommandId, CreateJoinTokenV2, DriftRepairedV1, Event,
    Generation, JoinTokenCreatedV1, JoinTokenEndedV1, Limit, REPAIRED_OBJECTS, RevokeJoinTokenV1,
    SetAddonsV1, TokenEnd, TokenId,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    id: CommandId,
    command: &AddonsCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        AddonsCommand::SetAddons(c) => set_addons(state, c),
        AddonsCommand::CreateJoinToken(c) => create_token(state, id, c, context),
        AddonsCommand::RevokeJoinToken(c) => revoke_token(state, c, context.now_ms),
    }
}

/// The name of a token's credential: what binds it to its cluster is the cluster's uid.
pub const JOIN_TOKEN: &str = "join-token";

const LONGEST_MS: u64 = Limit::TokenLife.bound() as u64 * 24 * 3600 * 1000;

pub(crate) fn set_addons(state: &State, c: &SetAddonsV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    if cluster.addons.as_ref().is_some_and(|addons| addons.spec == c.addons) {
        return Ok(Vec::new());
    }
    Ok(vec![AddonsSetV1 { cluster: c.cluster.clone(), addons: c.addons.clone() }.into()])
}

fn addons<'a>(state: &'a State, name: &ClusterName) -> Result<&'a InstalledAddons, Rejection> {
    let absent = || Rejection::NotForWorkers(name.clone());
    known(state, name)?.addons.as_ref().ok_or_else(absent)
}

pub(crate) fn create_token(
    state: &State,
    id: CommandId,
    c: &CreateJoinTokenV2,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let uid = running(state, &c.cluster)?.uid;
    let addons = addons(state, &c.cluster)?;
    let invalid = |field, value: String, problem: &str| {
        Err(Rejection::Invalid { field, value, problem: problem.to_owned() })
    };
    let (life_ms, expires_ms) = match c.end {
        TokenEnd::At(ms) => (ms.saturating_sub(context.now_ms), ms),
        TokenEnd::After(ms) => (ms, context.now_ms.saturating_add(ms)),
    };
    if !(1..=LONGEST_MS).contains(&life_ms) {
        let problem = Limit::TokenLife.problem();
        return invalid("end of the token", expires_ms.to_string(), problem);
    }
    let most = Limit::TokenDescription;
    let too_long = c.description.chars().count() > most.bound();
    if too_long || c.description.chars().any(char::is_control) {
        return invalid("description", c.description.clone(), most.problem());
    }
    let token = TokenId::of(id);
    if addons.tokens.contains_key(&token) {
        return invalid("token", token.to_string(), "it exists already: ask under another id");
    }
    if addons.tokens.len() >= Limit::JoinTokens.bound() {
        return invalid("token", token.to_string(), Limit::JoinTokens.problem());
    }
    let credential = context.mint.secret(uid, JOIN_TOKEN)?;
    let (cluster, description) = (c.cluster.clone(), c.description.clone());
    Ok(vec![JoinTokenCreatedV1 { cluster, token, credential, expires_ms, description }.into()])
}

/// Also of a cluster that goes, or sleeps: a token that ends is no harm.
pub(crate) fn revoke_token(
    state: &State,
    c: &RevokeJoinTokenV1,
    now_ms: u64,
) -> Result<Vec<Event>, Rejection> {
    let (cluster, token) = (c.cluster.clone(), c.token.clone());
    match addons(state, &cluster)?.tokens.get(&token) {
        None => Err(Rejection::TokenUnknown { cluster, token }),
        Some(t) => {
            let expired = t.expires_ms <= now_ms;
            Ok(vec![JoinTokenEndedV1 { cluster, token, expired }.into()])
        }
    }
}

/// What is told of another state than the present one is of no interest.
pub(crate) fn repaired(
    state: &State,
    cluster: &ClusterName,
    generation: Generation,
    objects: &[String],
) -> Vec<Event> {
    let addons = state.clusters.get(cluster).and_then(|c| c.addons.as_ref());
    if objects.is_empty() || addons.is_none_or(|i| i.generation != generation) {
        return Vec::new();
    }
    let objects = objects.iter().take(REPAIRED_OBJECTS).cloned().collect();
    vec![DriftRepairedV1 { cluster: cluster.clone(), objects }.into()]
}
