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
fn an_earlier_generation_changes_nothing_of_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let node = format!("{}/cluster/cp-1", dir.path().display());
    let file = format!("{node}/data");
    let fence = |generation| FileOp::Fence { path: node.clone(), generation };
    apply(dir.path(), &[fence(7), write(file.clone(), b"seven")]).unwrap();
    apply(dir.path(), &[fence(7), write(file.clone(), b"again")]).unwrap();
    let removed = apply(dir.path(), &[fence(6), FileOp::Remove { path: node.clone() }]);
    assert!(removed.unwrap_err().to_string().contains("generation 7"));
    assert_eq!(std::fs::read(&file).unwrap(), b"again");
    // What is gone does not come back.
    apply(dir.path(), &[fence(9), FileOp::Remove { path: node.clone() }]).unwrap();
    apply(dir.path(), &[fence(8), write(file.clone(), b"late")]).unwrap_err();
    assert!(!std::path::Path::new(&node).exists());
}

/// A file system of a few pages that goes with the test; none where none may be mounted.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Small> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path());
        mount.status().is_ok_and(|status| status.success()).then(|| Small(dir))
    }

    fn fill(&self) {
        let filled = std::fs::write(self.0.path().join("fill"), vec![0; 128 * 1024]);
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        std::process::Command::new("umount").arg("-l").arg(self.0.path()).status().unwrap();
    }
}

#[test]
fn a_full_disk_keeps_nothing_from_being_removed_and_no_generation_from_being_remembered() {
    let Some(small) = Small::mount() else {
        eprintln!("not tested: no file system may be mounted here");
        return;
    };
    let root = small.0.path();
    let at = |name: &str| format!("{}/cluster/{name}", root.display());
    let fence = |name: &str, generation| FileOp::Fence { path: at(name), generation };
    let remove = |name: &str| FileOp::Remove { path: at(name) };
    let there = |name: &str| root.join("cluster").join(name).exists();
    apply(root, &[fence("cp-1", 7), write(at("cp-1/data"), b"one")]).unwrap();
    // As an earlier release has left it.
    apply(root, &[write(at("cp-2/data"), b"two")]).unwrap();
    small.fill();
    // What is there is written over.
    apply(root, &[fence("cp-1", 12)]).unwrap();
    apply(root, &[fence("cp-1", 11), remove("cp-1")]).unwrap_err();
    assert!(there("cp-1"));
    // What is not there yet waits for the room.
    apply(root, &[fence("cp-2", 12), write(at("cp-2/more"), b"")]).unwrap_err();
    apply(root, &[fence("cp-2", 12), remove("cp-2")]).unwrap();
    apply(root, &[fence("cp-1", 13), remove("cp-1")]).unwrap();
    assert!(!there("cp-1") && !there("cp-2"));
    for name in ["cp-1", "cp-2"] {
        let late = apply(root, &[fence(name, 11), remove(name)]).unwrap_err().to_string();
        assert!(late.contains("already"), "{late}");
    }
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
fn what_is_of_a_later_generation_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| format!("{}/before/{name}", dir.path().display());
    let until = |generation| FileOp::RemoveUntil {
        path: format!("{}/before", dir.path().display()),
        generation,
    };
    let names = || {
        let all = std::fs::read_dir(dir.path().join("before")).unwrap();
        let mut names: Vec<_> =
            all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    for name in ["6/db", "7-0199/db", "12/db", "13-0199/db"] {
        apply(dir.path(), &[write(at(name), b"")]).unwrap();
    }
    assert_eq!(apply(dir.path(), &[until(11)]).unwrap().len(), 1);
    assert_eq!(names(), ["12", "13-0199"]);
    assert_eq!(apply(dir.path(), &[until(11)]).unwrap(), [] as [String; 0]);
    apply(dir.path(), &[until(13)]).unwrap();
    assert!(!dir.path().join("before").exists());
    assert_eq!(apply(dir.path(), &[until(13)]).unwrap(), [] as [String; 0], "none is there");
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

#[test]
fn nothing_leads_out_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (dir.path().join("root"), dir.path().join("elsewhere"));
    for made in [&root, &elsewhere] {
        std::fs::create_dir(made).unwrap();
    }
    std::fs::write(elsewhere.join("x"), "theirs").unwrap();
    let mode = || std::fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777;
    let before = mode();
    // As a program would that may write into a directory of its own.
    std::os::unix::fs::symlink(&elsewhere, root.join("run")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("x"), root.join("file")).unwrap();
    let (link, inside) = (format!("{}/run", root.display()), format!("{}/run/x", root.display()));
    apply(&root, &[FileOp::Remove { path: inside.clone() }]).unwrap_err();
    apply(&root, &[write(inside.clone(), b"theirs")]).unwrap_err();
    apply(&root, &[FileOp::Extend { path: inside.clone(), offset: 0, content: vec![] }])
        .unwrap_err();
    apply(&root, &[FileOp::Once { path: inside.clone(), generation: 1 }]).unwrap_err();
    apply(&root, &[FileOp::MakeDir { path: link.clone(), mode: 0o700 }]).unwrap_err();
    read_piece(&root, &inside, 0, 10).unwrap_err();
    read_piece(&root, &format!("{}/file", root.display()), 0, 10).unwrap_err();
    assert_eq!(std::fs::read_to_string(elsewhere.join("x")).unwrap(), "theirs");
    assert_eq!(mode(), before);
    // The link itself may go.
    apply(&root, &[FileOp::Remove { path: link }]).unwrap();
    assert!(elsewhere.join("x").exists() && !root.join("run").exists());
}

#[test]
fn what_has_not_changed_for_long_goes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join("audit").join(name);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let age =
        |path: &std::path::Path| std::fs::File::open(path).unwrap().set_modified(old).unwrap();
    for name in ["a/1.log", "a/2.log", "b/1.log", "b/1.txt", "c/1.log", "top.log", "top.txt"] {
        std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        std::fs::write(at(name), "").unwrap();
        if name != "a/2.log" {
            age(&at(name));
        }
    }
    std::fs::create_dir_all(at("empty/old")).unwrap();
    age(&at("empty/old"));
    std::fs::create_dir_all(at("new")).unwrap();
    // Not even through a link.
    let elsewhere = tempfile::tempdir().unwrap();
    let theirs = elsewhere.path().join("x.log");
    std::fs::write(&theirs, "").unwrap();
    age(&theirs);
    std::os::unix::fs::symlink(elsewhere.path(), at("link")).unwrap();
    let expire = |path: &str, ending: Option<&str>| {
        let path = dir.path().join(path).display().to_string();
        let ending = ending.map(str::to_owned);
        apply(dir.path(), &[FileOp::Expire { path, ending, seconds: 1800 }]).unwrap();
    };
    let there = |names: &[&str]| names.iter().map(|name| at(name).exists()).collect::<Vec<_>>();
    expire("audit", Some(".log"));
    assert_eq!(there(&["top.log", "top.txt", "a/1.log", "b/1.log"]), [false, true, true, true]);
    expire("audit", None);
    expire("nowhere", None);
    expire("audit/link", None);
    assert_eq!(
        there(&["a/1.log", "a/2.log", "b", "c", "top.txt"]),
        [false, true, false, false, false]
    );
    assert_eq!(there(&["empty", "new"]), [false, true]);
    assert!(theirs.exists());
}
