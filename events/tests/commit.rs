//! The layout of a commit: frames, strictness, and what its hash covers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::let_underscore_must_use, missing_docs)]

mod support;

use oi_events::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const SUBJECT: &str = "oi.events.cluster.test";

fn frame(kind: u16, flags: u16, bytes: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
    for word in [kind, 1, flags] {
        frame.extend(word.to_le_bytes());
    }
    frame.extend(bytes);
    frame
}

#[test]
fn a_commit_comes_back_as_it_was() {
    let commit = support::commit();
    let body = commit.encode_body().unwrap();
    assert_eq!(Commit::decode(commit.header.clone(), &body).unwrap(), commit);
}

/// A cut between two frames leaves a body that reads well with fewer events: that one
/// is for the hash to tell.
#[test]
fn a_body_cut_within_a_frame_is_refused() {
    let commit = support::commit();
    let body = commit.encode_body().unwrap();
    let hash = commit.header.hash(SUBJECT, &body);
    let mut ends = BTreeSet::from([0]);
    for frame in read_frames(&body).unwrap() {
        ends.insert(ends.last().unwrap() + 10 + frame.bytes.len());
    }
    for cut in 0..body.len() {
        let decoded = Commit::decode(commit.header.clone(), &body[..cut]);
        match (cut, ends.contains(&cut)) {
            (0, _) => assert!(matches!(decoded, Err(CommitError::Empty))),
            (_, false) => assert!(matches!(decoded, Err(CommitError::Truncated(_))), "at {cut}"),
            (_, true) => assert!(decoded.unwrap().events.len() < commit.events.len()),
        }
        assert_ne!(commit.header.hash(SUBJECT, &body[..cut]), hash);
    }
}

#[test]
fn an_unknown_event_is_stepped_over_unless_it_is_critical() {
    let commit = support::commit();
    let mut body = frame(65_000, 0, b"from a newer release");
    let (command, rest) = {
        let mut encoded = commit.encode_body().unwrap();
        let first = 10 + read_frames(&encoded).unwrap()[0].bytes.len();
        let rest = encoded.split_off(first);
        (encoded, rest)
    };
    let skippable = [command.clone(), body.clone(), rest].concat();
    assert_eq!(Commit::decode(commit.header.clone(), &skippable).unwrap(), commit);

    body[8] = 1;
    let critical = [command, body].concat();
    let refused = Commit::decode(commit.header.clone(), &critical).unwrap_err();
    let unknown = RecordError::Unknown { kind: 65_000, version: 1 };
    assert!(matches!(&refused, CommitError::Record { frame: 1, source }
        if source.to_string() == unknown.to_string()));
}

#[test]
fn an_unknown_command_or_a_broken_event_is_refused() {
    let commit = support::commit();
    let unknown = frame(65_000, 0, b"");
    let refused = Commit::decode(commit.header.clone(), &unknown).unwrap_err();
    assert!(matches!(
        refused,
        CommitError::Record { frame: 0, source: RecordError::Unknown { .. } }
    ));
    // Known, so its bytes must fit, whatever its flags say.
    let command: Command =
        CordonHypervisorV1 { name: "hv-1".parse().unwrap(), cordoned: true }.into();
    let body = [frame(command.kind().kind, 1, &command.encode().unwrap()), frame(108, 0, b"\x01A")];
    let refused = Commit::decode(commit.header, &body.concat()).unwrap_err();
    assert!(matches!(refused, CommitError::Record { frame: 1, source: RecordError::Codec { .. } }));
}

#[test]
fn the_hash_covers_subject_header_and_body() {
    let commit = support::commit();
    let (header, body) = (&commit.header, commit.encode_body().unwrap());
    let other = CommandId(uuid::Uuid::from_u128(9));
    let mut hashes = vec![
        header.hash(SUBJECT, &body),
        header.hash("oi.events.cluster.tesu", &body),
        CommitHeader { command_id: other, ..header.clone() }.hash(SUBJECT, &body),
        CommitHeader { correlation: other, ..header.clone() }.hash(SUBJECT, &body),
        CommitHeader { actor: "mallory".to_owned(), ..header.clone() }.hash(SUBJECT, &body),
        CommitHeader { time_ms: header.time_ms + 1, ..header.clone() }.hash(SUBJECT, &body),
        CommitHeader { previous: Hash::ZERO, ..header.clone() }.hash(SUBJECT, &body),
        // A byte that moves from one field to the next is a change too.
        CommitHeader { actor: format!("t{}", header.actor), ..header.clone() }
            .hash(&SUBJECT[..SUBJECT.len() - 1], &body),
    ];
    for i in 0..body.len() {
        let mut changed = body.clone();
        changed[i] ^= 1;
        hashes.push(header.hash(SUBJECT, &changed));
    }
    assert_eq!(hashes.iter().collect::<BTreeSet<_>>().len(), hashes.len());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>, kind in 0_u16..130, version in 0_u16..3) {
        let header = support::commit().header;
        let _ = Commit::decode(header.clone(), &body);
        let _ = Commit::decode(header, &frame(kind, 1, &body));
        let _ = Command::decode(kind, version, &body);
        let _ = Event::decode(kind, version, &body);
    }

    #[test]
    fn a_damaged_commit_is_read_or_refused(at: prop::sample::Index, byte: u8) {
        let commit = support::commit();
        let mut body = commit.encode_body().unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = Commit::decode(commit.header, &body);
    }

    #[test]
    fn a_name_that_is_no_label_is_neither_parsed_nor_decoded(text in "[a-zA-Z0-9._/ -]{0,44}") {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let valid = text.len() <= 40
            && text.chars().all(|c| edge(Some(c)) || c == '-')
            && edge(text.chars().next())
            && edge(text.chars().last());
        prop_assert_eq!(text.parse::<ClusterName>().is_ok(), valid);
        let bytes = to_bytes(&text).unwrap();
        prop_assert_eq!(from_bytes_strict::<ClusterName>(&bytes).is_ok(), valid);
    }

    #[test]
    fn a_kubernetes_version_prints_as_it_is_written(text in "v?[0-9]{1,3}(\\.[0-9]{1,3}){1,3}") {
        if let Ok(version) = text.parse::<KubernetesVersion>() {
            prop_assert_eq!(version.to_string(), text);
        }
    }
}
