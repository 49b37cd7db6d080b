//! What a worker relies on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use oi_helper::*;
use std::os::unix::fs::PermissionsExt;

fn write(path: String, content: &[u8]) -> FileOp {
    FileOp::Write { path, mode: 0o600, content: content.to_vec() }
}

#[test]
fn files_are_written_once_with_their_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}/a/b/key.pem", dir.path().display());
    let operations = [write(path.clone(), b"secret")];
    assert_eq!(apply(dir.path(), &operations).unwrap(), std::slice::from_ref(&path));
    assert_eq!(apply(dir.path(), &operations).unwrap(), [] as [String; 0]);
    assert_eq!(std::fs::read(&path).unwrap(), b"secret");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let above = std::fs::metadata(dir.path().join("a")).unwrap().permissions().mode();
    assert_eq!(above & 0o777, 0o700);
    let remove = [FileOp::Remove { path: format!("{}/a", dir.path().display()) }];
    apply(dir.path(), &remove).unwrap();
    apply(dir.path(), &remove).unwrap();
    assert!(!dir.path().join("a").exists());
}

#[test]
fn a_list_with_one_path_outside_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let inside = format!("{}/x", root.display());
    for outside in [
        format!("{}/../y", root.display()),
        format!("{}-other/y", root.display()),
        "/etc/oi-test".to_owned(),
        "y".to_owned(),
        root.display().to_string(),
    ] {
        apply(&root, &[write(inside.clone(), b"1"), write(outside.clone(), b"1")])
            .expect_err(&outside);
        assert!(!std::path::Path::new(&inside).exists());
    }
    std::os::unix::fs::symlink(dir.path(), root.join("link")).unwrap();
    apply(&root, &[write(format!("{}/link/y", root.display()), b"1")]).unwrap_err();
    assert!(!dir.path().join("y").exists());
}

#[test]
fn sealed_files_open_with_the_right_key_only() {
    let (ours, other) = (Opener::default(), Opener::default());
    let operations = vec![write("/data/big".to_owned(), &[7; 300_000])];
    let arguments = seal(&ours.public_key(), &operations).unwrap();
    assert!(arguments.len() > 1 && arguments.iter().all(|a| a.len() < 128 * 1024));
    assert_eq!(ours.open(&arguments.concat()).unwrap(), operations);
    assert!(other.open(&arguments.concat()).is_err());
}

#[test]
fn a_directory_takes_the_place_of_another_which_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("{}/etcd/{name}", dir.path().display());
    let holds = |name: &str| std::fs::read_to_string(at(&format!("{name}/db")));
    let swap =
        |new: &str| FileOp::Replace { path: at("data"), by: at(new), keep: Some(at("before/7")) };
    for (name, content) in [("data", "old"), ("a", "first"), ("b", "second")] {
        apply(dir.path(), &[write(at(&format!("{name}/db")), content.as_bytes())]).unwrap();
    }
    assert_eq!(apply(dir.path(), &[swap("a")]).unwrap(), [at("data")]);
    assert_eq!(
        (holds("data").unwrap(), holds("before/7").unwrap()),
        ("first".into(), "old".into())
    );
    assert_eq!(apply(dir.path(), &[swap("a")]).unwrap(), [] as [String; 0], "it was done");
    // Another one in its place: what was there first is kept.
    apply(dir.path(), &[swap("b")]).unwrap();
    assert_eq!(
        (holds("data").unwrap(), holds("before/7").unwrap()),
        ("second".into(), "old".into())
    );
    let back = FileOp::Replace { path: at("data"), by: at("before/7"), keep: None };
    apply(dir.path(), &[back]).unwrap();
    assert_eq!(holds("data").unwrap(), "old");
    assert!(holds("before/7").is_err());
    let outside = FileOp::Replace { path: at("data"), by: "/etc".to_owned(), keep: None };
    apply(dir.path(), &[outside]).unwrap_err();
}

#[test]
fn a_list_of_a_lower_generation_is_not_done_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", dir.path().display());
    let list = |generation: u64, content: &str| {
        [FileOp::Once { path: path("mark"), generation }, write(path("x"), content.as_bytes())]
    };
    let content = || std::fs::read_to_string(path("x")).unwrap();
    apply(dir.path(), &list(7, "seven")).unwrap();
    for late in [list(7, "again"), list(6, "six")] {
        assert_eq!(apply(dir.path(), &late).unwrap(), [] as [String; 0]);
        assert_eq!(content(), "seven");
    }
    apply(dir.path(), &list(8, "eight")).unwrap();
    assert_eq!(content(), "eight");
    // What was cut off is done again.
    let cut_off = [list(9, "nine").to_vec(), vec![write("/etc/oi".to_owned(), b"")]].concat();
    apply(dir.path(), &cut_off).unwrap_err();
    apply(dir.path(), &list(9, "nine")).unwrap();
    assert_eq!(content(), "nine");
}
