//! Why a step fails, and whether time may mend it.

use crate::addons::TemplateError;
use crate::desired::DesiredError;
use crate::place::{KubeError, PlaceError};
use oi_backup_store::StoreError;
use oi_events::FailureClass;
use oi_keyring::KeyringError;
use oi_pki::{IssueError, KeyError};
use std::time::Duration;

/// Why a step fails.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The place where the node runs.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The state does not describe the node.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// The data key of the cluster.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// haproxy rejects its configuration.
    #[error("haproxy does not run with its new configuration: {0}")]
    Ingress(String),
    /// etcd's membership.
    #[error("etcd membership: {0}")]
    Membership(String),
    /// etcdctl's answer is not what its documentation says.
    #[error("etcdctl's answer does not parse")]
    MembershipJson(#[from] serde_json::Error),
    /// The API server's answer to `/version` is not JSON.
    #[error("the API server's version does not parse")]
    Version(#[source] serde_json::Error),
    /// Another version answers.
    #[error("the API server runs {seen}, not {wanted}")]
    OtherVersion {
        /// The version that answered.
        seen: String,
        /// The version that must run.
        wanted: String,
    },
    /// A component exited again after its start.
    #[error("the controller manager or the scheduler does not keep running: see its log")]
    Unsettled,
    /// The backup store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no backup store.
    #[error("no backup store is set: start oi-server with --backup-store")]
    NoStore,
    /// The object in the store is not the recorded one.
    #[error("backup {0} is not what was recorded: its SHA-256 is another one")]
    OtherBackup(String),
    /// The object in the store is the recorded one, and no snapshot.
    #[error(
        "backup {0} is no whole snapshot of etcd: the checksum at its end does not fit; restore another one"
    )]
    DamagedBackup(String),
    /// The snapshot was cut or changed on its way.
    #[error("etcd's snapshot is not whole: the checksum at its end does not fit")]
    TornSnapshot,
    /// What was unpacked is not in place.
    #[error(
        "the data in place is not that of the restore: restore again, or abort it (`oi cluster restore --abort`)"
    )]
    NotStaged,
    /// etcdutl failed.
    #[error("etcdutl ended with code {code}: see its log in {log} on the hypervisor")]
    Restore {
        /// Its exit code.
        code: i32,
        /// The directory of its log.
        log: String,
    },
    /// etcdutl takes too long.
    #[error("etcdutl has not ended within {0:?}")]
    RestoreSlow(Duration),
    /// Another worker has acted on a later position of the log.
    #[error("another worker has seen the log up to position {0}, and this one has not yet")]
    Behind(u64),
    /// Pods are of a later decision than those that this worker knows.
    #[error(
        "pods of node {node} are of a later decision than position {known}, up to which this worker knows the log"
    )]
    Later {
        /// The node.
        node: String,
        /// The position.
        known: u64,
    },
    /// A job holds the node.
    #[error("a job is at node {0}")]
    Busy(String),
    /// The API of the cluster.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// No API server of the cluster answers.
    #[error("no API server of the cluster can be asked")]
    NoAnswer,
    /// The cluster has no CA.
    #[error("the cluster has no authority")]
    NoCa,
    /// A certificate cannot be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// An object belongs to somebody else.
    #[error(
        "{0} is in the cluster and was not made by oi: remove or rename it, or let oi not keep that part (`oi cluster addons`)"
    )]
    ForeignObject(String),
    /// The record in a cluster names a decision that is not in the log.
    #[error(
        "ConfigMap kube-system/oi-addons says that decision {recorded} was applied, and the log is known to {position}: if that stays so, somebody changed it: delete it"
    )]
    RecordAhead {
        /// The decision.
        recorded: u64,
        /// The position of the log.
        position: u64,
    },
    /// The API rejects an object.
    #[error("the API refuses {title} with {status}: {message}")]
    Object {
        /// The object.
        title: String,
        /// The HTTP status.
        status: u16,
        /// The API's message.
        message: String,
    },
    /// A template of add-ons.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// An observation is not stored: the broker does not answer.
    #[error("what was seen cannot be reported: the broker does not answer")]
    NotReported,
    /// Something else was decided meanwhile.
    #[error("job {0} is no longer owed")]
    NotOwed(String),
    /// The step panicked.
    #[error("the worker has a defect, which its log tells at job {0}: report it")]
    Defect(String),
    /// The job lacks a part that its kind requires.
    #[error("job {0} names nothing to work on")]
    Malformed(String),
}

impl StepError {
    /// Whether the job is tried again after a pause: what time may mend is transient, what only
    /// a person or another decision changes is permanent. The match has no default, so that
    /// whoever adds an error decides.
    pub fn class(&self) -> FailureClass {
        use FailureClass::{Permanent, Transient};
        match self {
            // Hosts come back, runtimes restart, images appear in registries.
            StepError::Place(error) => error.class(),
            // A credential, a port or a range comes with another decision only.
            StepError::Desired(
                DesiredError::NoCredential(_)
                | DesiredError::NoPort(_)
                | DesiredError::Cidr(_)
                | DesiredError::Json(_),
            ) => Permanent,
            // The node has just been removed; the job is no longer owed.
            StepError::Desired(DesiredError::Unknown(_)) => Transient,
            StepError::Desired(DesiredError::Keys(error)) | StepError::Keys(error) => keys(error),
            // A running haproxy may take longer than it was waited for.
            StepError::Ingress(_) => Transient,
            // Members come back, catch up, and elect a leader.
            StepError::Membership(_) | StepError::MembershipJson(_) => Transient,
            // Something else may have answered.
            StepError::Version(_) | StepError::OtherVersion { .. } => Transient,
            // A component may have waited for its API server in vain.
            StepError::Unsettled => Transient,
            StepError::Store(error) => store(error),
            // Another worker may have a store, and this one be started with one.
            StepError::NoStore => Transient,
            // The object stays what it is.
            StepError::OtherBackup(_) | StepError::DamagedBackup(_) => Permanent,
            // Another snapshot may be whole.
            StepError::TornSnapshot => Transient,
            // What is in place stays what it is.
            StepError::NotStaged => Permanent,
            // Among other things, the disk may have been full.
            StepError::Restore { .. } | StepError::RestoreSlow(_) => Transient,
            // The view catches up.
            StepError::Behind(_) | StepError::Later { .. } => Transient,
            // The job ends.
            StepError::Busy(_) => Transient,
            // API servers come back.
            StepError::Kube(_) | StepError::NoAnswer => Transient,
            // A CA comes with another decision only.
            StepError::NoCa => Permanent,
            StepError::Issue(error) => issue(error),
            // Its owner may remove it from the cluster, without a word to oi.
            StepError::ForeignObject(_) => Transient,
            // The view catches up, or somebody removes the record.
            StepError::RecordAhead { .. } => Transient,
            // An admission webhook may have rejected it, and change its mind.
            StepError::Object { .. } => Transient,
            // A template is part of the program, and what fills it is part of a decision.
            StepError::Template(_) => Permanent,
            // The broker comes back.
            StepError::NotReported => Transient,
            // Its outcome changes nothing.
            StepError::NotOwed(_) => Transient,
            // Another release may not have it.
            StepError::Defect(_) => Transient,
            // A job's content never changes.
            StepError::Malformed(_) => Permanent,
        }
    }
}

fn keys(error: &KeyringError) -> FailureClass {
    match error {
        KeyringError::Store(_) => FailureClass::Transient,
        KeyringError::Destroyed(_) => FailureClass::Permanent,
        // This worker may have been started with another key-encryption key.
        KeyringError::Key { .. }
        | KeyringError::OtherWrapper { .. }
        | KeyringError::NotItsWrapper { .. }
        | KeyringError::SeveralWrappers { .. } => FailureClass::Transient,
    }
}

fn store(error: &StoreError) -> FailureClass {
    match error {
        // The settings of this worker, which an operator changes.
        StoreError::Url { .. } | StoreError::Directory { .. } | StoreError::Open { .. } => {
            FailureClass::Transient
        }
        StoreError::Call { .. } => FailureClass::Transient,
        StoreError::Left { after, .. } => store(after),
        // No entropy for a nonce.
        StoreError::Key { source: KeyError::Random(_), .. } => FailureClass::Transient,
        // The object stays what it is.
        StoreError::Key { .. } | StoreError::CutOff(_) => FailureClass::Permanent,
        // So do frames.
        StoreError::TooLong { .. } => FailureClass::Permanent,
    }
}

fn issue(error: &IssueError) -> FailureClass {
    match error {
        IssueError::KeyPair(_) | IssueError::Random(_) => FailureClass::Transient,
        // A CA, a name or a clock that cannot be used.
        IssueError::Time(_)
        | IssueError::Name { .. }
        | IssueError::Organizations { .. }
        | IssueError::Ca(_)
        | IssueError::NotACa(_)
        | IssueError::Ended { .. }
        | IssueError::AuthorityKey(_)
        | IssueError::Mismatch(_)
        | IssueError::Issuer(_)
        | IssueError::Sign { .. }
        | IssueError::Result(_) => FailureClass::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::{FailureClass, StepError};
    use oi_keyring::KeyringError;

    #[test]
    fn only_what_time_cannot_mend_is_permanent() {
        let destroyed = KeyringError::Destroyed(oi_events::ClusterUid(uuid::Uuid::nil()));
        for error in [
            StepError::OtherBackup("object".to_owned()),
            StepError::Keys(destroyed),
            StepError::Malformed("job".to_owned()),
        ] {
            assert_eq!(error.class(), FailureClass::Permanent, "{error}");
        }
        for error in [StepError::NoAnswer, StepError::NoStore, StepError::Behind(7)] {
            assert_eq!(error.class(), FailureClass::Transient, "{error}");
        }
    }
}
