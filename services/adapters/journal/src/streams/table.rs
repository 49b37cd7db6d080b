//! The streams and how each must be set up.

use super::{ADVISORIES, COMMANDS, EVENTS, FEED, JOBS, KEYS, REJECTIONS, SUBMISSIONS};
use crate::subjects;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use std::time::Duration;

/// The broker refuses more submissions than this until some are decided.
const MAX_SUBMISSIONS: i64 = 100_000;
/// And more than this of one producer, so that it takes nobody else's room or turn.
const MAX_OF_PRODUCER: i64 = 1000;
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const GIB: i64 = 1 << 30;

/// How long a stream keeps its messages.
enum Keeps {
    /// Until they are deleted; a full stream refuses new ones.
    All,
    /// Until newer ones need the room.
    Newest,
    /// Until one consumer acknowledged them; a full stream refuses new ones.
    UntilTaken,
}

/// A stream.
pub(super) struct Stream {
    name: &'static str,
    subjects: &'static [&'static str],
    description: &'static str,
    keeps: Keeps,
    max_bytes: i64,
    /// Further settings.
    settings: fn(&mut Config),
}

/// The streams that oi needs.
pub(super) const STREAMS: [Stream; 8] = [
    Stream {
        name: EVENTS,
        subjects: &["oi.events.>"],
        description: "oi: what has happened; the only truth",
        keeps: Keeps::All,
        max_bytes: 32 * GIB,
        settings: |config| {
            config.deny_delete = true;
            config.deny_purge = true;
            config.allow_direct = true;
        },
    },
    Stream {
        name: COMMANDS,
        subjects: &["oi.commands.>"],
        description: "oi: commands that wait for a decision",
        keeps: Keeps::UntilTaken,
        max_bytes: 4 * GIB,
        settings: |_| {},
    },
    Stream {
        name: JOBS,
        subjects: &["oi.jobs.>"],
        description: "oi: jobs that wait for a worker; rebuilt from the state",
        keeps: Keeps::UntilTaken,
        max_bytes: GIB,
        // However many deciders enqueue a job.
        settings: one_message_per_subject,
    },
    Stream {
        name: KEYS,
        subjects: &[subjects::KEYS],
        description: "oi: wrapped data keys; deleting one is final",
        keeps: Keeps::All,
        max_bytes: GIB,
        settings: one_message_per_subject,
    },
    Stream {
        name: ADVISORIES,
        subjects: &["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.OI_JOBS.>"],
        description: "oi: the broker's notices of jobs that it gave up",
        keeps: Keeps::UntilTaken,
        max_bytes: GIB / 16,
        settings: |_| {},
    },
    Stream {
        name: SUBMISSIONS,
        subjects: &["oi.submit.*.*", "oi.submit.*.*.*"],
        description: "oi: commands of producers; the last token names who may publish there",
        keeps: Keeps::UntilTaken,
        max_bytes: GIB,
        settings: |config| {
            config.max_messages = MAX_SUBMISSIONS;
            config.max_messages_per_subject = MAX_OF_PRODUCER;
            config.discard_new_per_subject = true;
        },
    },
    Stream {
        name: REJECTIONS,
        subjects: &[subjects::REJECTIONS],
        description: "oi: the newest rejections",
        keeps: Keeps::Newest,
        max_bytes: GIB / 16,
        settings: |config| config.max_age = MONTH,
    },
    Stream {
        name: FEED,
        subjects: &["oi.feed.>"],
        description: "oi: events for other services; rebuilt from the log",
        keeps: Keeps::Newest,
        max_bytes: 8 * GIB,
        settings: |config| config.allow_atomic_publish = true,
    },
];

fn one_message_per_subject(config: &mut Config) {
    config.max_messages_per_subject = 1;
    config.discard_new_per_subject = true;
}

impl Stream {
    /// Its settings on a broker.
    pub fn config(&self, replicas: usize) -> Config {
        let (retention, discard) = match self.keeps {
            Keeps::All => (RetentionPolicy::Limits, DiscardPolicy::New),
            Keeps::Newest => (RetentionPolicy::Limits, DiscardPolicy::Old),
            Keeps::UntilTaken => (RetentionPolicy::WorkQueue, DiscardPolicy::New),
        };
        let mut config = Config {
            name: self.name.to_owned(),
            subjects: self.subjects.iter().map(|&s| s.to_owned()).collect(),
            description: Some(self.description.to_owned()),
            storage: StorageType::File,
            num_replicas: replicas,
            duplicate_window: Duration::from_secs(120),
            retention,
            discard,
            max_bytes: self.max_bytes,
            ..Config::default()
        };
        (self.settings)(&mut config);
        config
    }
}
