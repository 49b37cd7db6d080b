//! What a worker relies on when it changes files.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use oi_helper::{FileOp, FilesError, Opener, SealError, apply, hash, seal};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn write(path: impl AsRef<Path>, content: &[u8]) -> FileOp {
    let path = path.as_ref().display().to_string();
    FileOp::Write { path, mode: 0o600, content: content.to_vec() }
}

fn remove(path: impl AsRef<Path>) -> FileOp {
    FileOp::Remove { path: path.as_ref().display().to_string() }
}

fn make_dir(path: impl AsRef<Path>, mode: u32) -> FileOp {
    FileOp::MakeDir { path: path.as_ref().display().to_string(), mode }
}

fn mode(path: impl AsRef<Path>) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// A root, and beside it a directory with a file that must never change.
struct Fixture {
    _dir: tempfile::TempDir,
    root: PathBuf,
    outside: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("keep"), "precious").unwrap();
    Fixture { _dir: dir, root, outside }
}

impl Fixture {
    fn apply(&self, operations: &[FileOp]) -> Result<Vec<String>, FilesError> {
        apply(&self.root, operations).map(|c| c.changed)
    }

    fn assert_outside_is_untouched(&self) {
        assert_eq!(std::fs::read(self.outside.join("keep")).unwrap(), b"precious");
        assert_eq!(std::fs::read_dir(&self.outside).unwrap().count(), 1);
        assert_eq!(mode(&self.outside), 0o755);
    }
}

#[test]
fn what_is_so_already_is_left_alone() {
    let f = fixture();
    let path = f.root.join("a/b/key.pem");
    let operations = [make_dir(f.root.join("a/logs"), 0o750), write(&path, b"secret")];
    assert_eq!(f.apply(&operations).unwrap().len(), 2);
    let before = std::fs::metadata(&path).unwrap();
    assert_eq!(f.apply(&operations).unwrap(), [] as [String; 0]);
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec(), before.ctime_nsec()),
        (after.ino(), after.mtime_nsec(), after.ctime_nsec())
    );
    assert_eq!(
        (mode(&path), mode(f.root.join("a")), mode(f.root.join("a/b"))),
        (0o600, 0o700, 0o700)
    );
    assert_eq!(mode(f.root.join("a/logs")), 0o750);
    // Another mode alone is a change.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(f.apply(&operations).unwrap(), [path.display().to_string()]);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn readers_see_the_old_file_or_the_new_one() {
    let f = fixture();
    let path = f.root.join("file");
    let contents = [vec![b'a'; 200_000], vec![b'b'; 200_000]];
    f.apply(&[write(&path, &contents[0])]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 1..60 {
                f.apply(&[write(&path, &contents[i % 2])]).unwrap();
            }
        });
        while !writer.is_finished() {
            assert!(contents.contains(&std::fs::read(&path).unwrap()));
        }
    });
    assert_eq!(std::fs::read_dir(&f.root).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn what_a_crash_left_is_overwritten() {
    let f = fixture();
    std::fs::write(f.root.join(".file.oi-part"), "half").unwrap();
    f.apply(&[write(f.root.join("file"), b"whole")]).unwrap();
    assert_eq!(std::fs::read_dir(&f.root).unwrap().count(), 1);
}

#[test]
fn removing_is_recursive_and_idempotent() {
    let f = fixture();
    let files = ["a/1", "a/b/2", "a/b/c/3"].map(|p| write(f.root.join(p), b"x"));
    f.apply(&files).unwrap();
    symlink(&f.outside, f.root.join("a/b/link")).unwrap();
    let operations = [remove(f.root.join("a")), remove(f.root.join("never/was"))];
    assert_eq!(f.apply(&operations).unwrap(), [f.root.join("a").display().to_string()]);
    assert_eq!(f.apply(&operations).unwrap(), [] as [String; 0]);
    assert!(!f.root.join("a").exists());
    f.assert_outside_is_untouched();
}

#[test]
fn a_list_with_one_path_outside_is_refused_whole() {
    let f = fixture();
    let (root, inside) = (f.root.display(), f.root.join("x"));
    for path in [
        format!("{root}/../outside/keep"),
        format!("{root}/a/../../outside/keep"),
        format!("{root}/./y"),
        format!("{root}//y"),
        format!("{root}/y/"),
        format!("{root}/new\nline"),
        format!("{root}-other/y"),
        f.outside.join("keep").display().to_string(),
        "/".to_owned(),
        "y".to_owned(),
        String::new(),
        root.to_string(),
    ] {
        for bad in [write(&path, b"1"), remove(&path), make_dir(&path, 0o777)] {
            let refused = f.apply(&[write(&inside, b"1"), bad]).expect_err(&path);
            assert!(refused.is_refusal(), "{path}: {refused}");
        }
        assert!(!inside.exists());
        assert!(hash(&f.root, &[path]).unwrap_err().is_refusal());
    }
    f.assert_outside_is_untouched();
}

#[test]
fn symbolic_links_lead_nowhere() {
    let f = fixture();
    symlink(&f.outside, f.root.join("link")).unwrap();
    let inside = f.root.join("x");
    let below = f.root.join("link/keep");
    for bad in [write(&below, b"1"), remove(&below), make_dir(&below, 0o777)] {
        let refused = f.apply(&[write(&inside, b"1"), bad]).unwrap_err();
        assert!(refused.is_refusal(), "{refused}");
        assert!(!inside.exists());
    }
    assert!(hash(&f.root, &[below.display().to_string()]).is_err());
    // The link itself: never followed, but replaced or removed.
    f.apply(&[make_dir(f.root.join("link"), 0o777)]).unwrap_err();
    f.apply(&[write(f.root.join("link"), b"file")]).unwrap();
    assert!(f.root.join("link").symlink_metadata().unwrap().is_file());
    f.assert_outside_is_untouched();
}

#[test]
fn hashes_tell_content_and_mode() {
    let f = fixture();
    f.apply(&[write(f.root.join("file"), b"abc")]).unwrap();
    let paths = ["file", "none", "no/dir"].map(|p| f.root.join(p).display().to_string());
    let states = hash(&f.root, &paths).unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(states[0].content, Some((abc.to_owned(), 0o600)));
    assert_eq!((&states[1].content, &states[2].content), (&None, &None));
    for state in states {
        assert_eq!(oi_helper::FileState::parse(&state.to_string()), Some(state));
    }
}

#[test]
fn sealed_files_open_with_the_right_key_only() {
    let (ours, other) = (Opener::default(), Opener::default());
    let operations = vec![write("/data/big", &[7; 300_000])];
    let arguments = seal(&ours.public_key(), &operations).unwrap();
    assert!(arguments.len() > 1 && arguments.iter().all(|a| a.len() < 96 * 1024));
    assert_eq!(ours.open(&arguments.concat()).unwrap(), operations);
    assert!(matches!(other.open(&arguments.concat()), Err(SealError::Open)));
    let large = [write("/data/big", &vec![7; 2 << 20])];
    assert!(matches!(seal(&ours.public_key(), &large), Err(SealError::TooLarge(_))));
    assert!(!format!("{operations:?}").contains("7, 7"), "debug output shows no contents");
}
