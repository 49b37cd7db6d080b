//! What events about the replacement of CAs change.

use crate::cluster::Cluster;
use crate::mint::{Ca, fingerprint};
use crate::rotation::Rotation;
use crate::state::State;
use oi_events::{Hash, RotationEvent, RotationStage};
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &RotationEvent) {
    match event {
        RotationEvent::RotationStarted(e) => {
            let since_ms = state.time_ms;
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.other_cas = e.credentials.iter().map(|a| (a.name.clone(), a.clone())).collect();
                let (stage, generation) = (RotationStage::Trust, e.generation);
                c.rotation = Some(Rotation { stage, generation, since_ms });
            }
        }
        RotationEvent::RotationAdvanced(e) => {
            let since_ms = state.time_ms;
            if let Some(c) = state.cluster_mut(&e.cluster) {
                match e.stage {
                    RotationStage::Trust => {}
                    RotationStage::Switch => switch_cas(c, since_ms),
                    RotationStage::Retire => retire_cas(c),
                }
                let (stage, generation) = (e.stage, e.generation);
                c.rotation = Some(Rotation { stage, generation, since_ms });
            }
        }
        RotationEvent::RotationEnded(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.rotation = None;
            }
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &RotationEvent) -> String {
    match event {
        RotationEvent::RotationStarted(_) => {
            "new authorities, to be trusted beside the old ones".to_owned()
        }
        RotationEvent::RotationAdvanced(e) => match e.stage {
                RotationStage::Trust => "both authorities to be trusted",
                RotationStage::Switch => "the new authorities sign, and the old ones no longer",
                RotationStage::Retire => {
                    "only the authorities that sign to be trusted; what others signed for users is revoked"
                }
            }
            .to_owned(),
        RotationEvent::RotationEnded(_) => "authorities replaced".to_owned(),
    }
}

/// The new authorities sign, and all that the old ones signed is due.
fn switch_cas(c: &mut Cluster, now_ms: u64) {
    let credentials = Arc::make_mut(&mut c.credentials);
    for (name, other) in &mut c.other_cas {
        if let Some(signs) = credentials.get_mut(name) {
            std::mem::swap(signs, other);
        }
    }
    for at in c.nodes.values_mut().map(Arc::make_mut).flat_map(|n| n.renew_at_ms.values_mut()) {
        *at = now_ms.min(*at);
    }
}

/// What does not sign is not trusted, nor is what it signed for users.
fn retire_cas(c: &mut Cluster) {
    let switched = c.rotation.as_ref().is_some_and(|r| r.stage == RotationStage::Switch);
    let gone = c.other_cas.remove(Ca::Kubernetes.name()).map(|a| fingerprint(&a));
    c.other_cas.clear();
    Arc::make_mut(&mut c.kubeconfigs).retain(|_, k| {
        let by_unknown = k.issuer == Hash::ZERO && switched;
        Some(k.issuer) != gone && !by_unknown
    });
}
