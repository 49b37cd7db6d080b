//! What users of data keys and key files rely on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use oi_pki::{DataKey, KeyEncryptionKey, KeyError, KeyFileProblem, KeyWrapper, random_secret};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

#[test]
fn sealed_bytes_open_only_unchanged_and_for_their_purpose() {
    let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let sealed = key.seal(b"ca", b"secret").unwrap();
    assert_eq!(key.open(b"ca", &sealed).unwrap().as_slice(), b"secret");
    assert!(matches!(key.open(b"sa", &sealed), Err(KeyError::Open(_))));
    assert!(matches!(other.open(b"ca", &sealed), Err(KeyError::Open(_))));
    for i in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert!(key.open(b"ca", &changed).is_err(), "byte {i} changed");
        assert!(key.open(b"ca", &sealed[..i]).is_err(), "cut at {i}");
    }
    assert_ne!(sealed, key.seal(b"ca", b"secret").unwrap(), "a nonce is used once");
    assert_ne!(random_secret().unwrap(), random_secret().unwrap());
}

#[test]
fn eight_creators_of_a_key_file_end_with_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let keys: Vec<_> = thread::scope(|s| {
        let make = || KeyEncryptionKey::load_or_create(&path).unwrap();
        let makers: Vec<_> = (0..8).map(|_| s.spawn(make)).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    let data = DataKey::generate().unwrap();
    let wrapped = keys[0].wrap(&data, b"uid").unwrap();
    let sealed = data.seal(b"ca", b"secret").unwrap();
    for key in &keys {
        let unwrapped = key.unwrap(&wrapped, b"uid").unwrap();
        assert_eq!(unwrapped.open(b"ca", &sealed).unwrap().as_slice(), b"secret");
        assert!(key.unwrap(&wrapped, b"another uid").is_err());
        assert!(key.unwrap(&key.wrap(&data, b"uid").unwrap()[1..], b"uid").is_err());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_key_has_an_id_that_is_not_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let load = |name: &str| KeyEncryptionKey::load_or_create(&dir.path().join(name)).unwrap();
    assert_eq!(load("a").id(), load("a").id());
    assert_ne!(load("a").id(), load("b").id());
    let text = fs::read_to_string(dir.path().join("a")).unwrap();
    assert!(!text.contains(&load("a").id()));
}

#[test]
fn a_key_file_that_others_can_use_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    KeyEncryptionKey::load_or_create(&path).unwrap();
    let content = fs::read(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = KeyEncryptionKey::load_or_create(&path).unwrap_err();
        assert!(matches!(error.problem, KeyFileProblem::Exposed(m) if m == mode));
        assert!(error.problem.to_string().contains("chmod 600"), "{error:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn what_is_no_key_file_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let problem = |path: &Path| KeyEncryptionKey::load(path).unwrap_err().problem;
    assert!(matches!(problem(&path), KeyFileProblem::Open(_)));
    assert!(matches!(problem(dir.path()), KeyFileProblem::NotAFile));
    let nowhere = KeyEncryptionKey::load_or_create(&dir.path().join("absent/kek")).unwrap_err();
    assert!(matches!(nowhere.problem, KeyFileProblem::Write(_)));
    let load = |content: &str| {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        KeyEncryptionKey::load_or_create(&path).unwrap_err().problem
    };
    assert!(matches!(load("not base64!"), KeyFileProblem::Encoding(_)));
    assert!(matches!(load("c2hvcnQ="), KeyFileProblem::Length(_)));
    assert!(matches!(load(""), KeyFileProblem::Length(_)), "an empty file is not a new one");
}

#[test]
fn debug_output_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let kek = KeyEncryptionKey::load_or_create(&dir.path().join("kek")).unwrap();
    assert_eq!(format!("{:?}", DataKey::generate().unwrap()), "DataKey(…)");
    assert_eq!(format!("{kek:?}"), "KeyEncryptionKey(…)");
}
