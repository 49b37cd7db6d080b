//! The program, as `ExecSync` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use oi_helper::{Changed, FileOp, FileState, exit, seal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

struct Program {
    dir: tempfile::TempDir,
    root: PathBuf,
    server: Option<Child>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Program {
    fn new() -> Program {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        Program { dir, root, server: None }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oi-helper"));
        command.env("OI_HELPER_SOCKET", self.dir.path().join("run/helper.sock"));
        command
    }

    fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Starts it, and returns its public key as soon as it answers.
    fn serve(&mut self) -> String {
        let root = self.root.to_str().unwrap();
        self.server = Some(self.command().args(["serve", "--root", root]).spawn().unwrap());
        loop {
            let output = self.run(&["public-key"]);
            match code(&output) {
                exit::DONE => return String::from_utf8(output.stdout).unwrap(),
                exit::NO_SERVER => std::thread::sleep(std::time::Duration::from_millis(5)),
                code => panic!("{code}"),
            }
        }
    }

    fn stop(&mut self) -> Option<i32> {
        let mut server = self.server.take()?;
        let id = server.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        server.wait().unwrap().code()
    }

    fn put(&self, key: &str, operations: &[FileOp]) -> Output {
        let mut args = vec!["put".to_owned()];
        args.extend(seal(key, operations).unwrap());
        self.run(&args)
    }
}

fn write(path: &Path, content: &[u8]) -> FileOp {
    let path = path.display().to_string();
    FileOp::Write { path, mode: 0o600, content: content.to_vec() }
}

fn code(output: &Output) -> u8 {
    output.status.code().unwrap().try_into().unwrap()
}

#[test]
fn files_are_put_and_hashed_and_never_shown() {
    let mut program = Program::new();
    let key = program.serve();
    let (small, big) = (program.root.join("pki/ca.key"), program.root.join("big"));
    let operations = [write(&small, b"CANARY"), write(&big, &[b'x'; 500_000])];
    let output = program.put(&key, &operations);
    assert_eq!(code(&output), 0, "{output:?}");
    let changed = Changed::parse(&output.stdout).unwrap().changed;
    assert_eq!(changed, [&small, &big].map(|p| p.display().to_string()));
    assert_eq!(std::fs::read(&small).unwrap(), b"CANARY");
    let again = program.put(&key, &operations);
    assert_eq!(again.stdout, b"{\"changed\":[]}\n");

    let absent = program.root.join("absent");
    let output = program.run(&["hash", small.to_str().unwrap(), absent.to_str().unwrap()]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let states: Vec<_> = lines.lines().map(|l| FileState::parse(l).unwrap()).collect();
    assert!(states[0].content.is_some() && states[1].content.is_none());
    assert!(!lines.contains("CANARY"));
}

#[test]
fn how_it_ends_tells_why() {
    let mut program = Program::new();
    assert_eq!(code(&program.run(&["public-key"])), exit::NO_SERVER);
    let key = program.serve();
    for wrong in [&["put"][..], &[], &["nonsense"], &["serve"], &["probe", "--url", "ftp://x"]] {
        assert_eq!(code(&program.run(wrong)), exit::USAGE, "{wrong:?}");
    }
    assert_eq!(code(&program.run(&["put", "no base64"])), exit::FAILED);
    let inside = program.root.join("x");
    let outside = program.dir.path().join("y");
    let refused = program.put(&key, &[write(&inside, b"1"), write(&outside, b"1")]);
    assert_eq!(code(&refused), exit::REFUSED);
    assert!(!inside.exists() && !outside.exists());
    assert_eq!(code(&program.run(&["hash", "/etc/passwd"])), exit::REFUSED);

    assert_eq!(program.stop(), Some(0), "SIGTERM ends it");
    assert_eq!(code(&program.put(&key, &[])), exit::NO_SERVER);
    let new = program.serve();
    assert_ne!(key, new);
    assert_eq!(code(&program.put(&key, &[write(&inside, b"1")])), exit::OTHER_KEY);
    assert_eq!(code(&program.put(&new, &[write(&inside, b"1")])), 0);
}

#[test]
fn a_silent_client_does_not_stop_the_others_for_good() {
    let mut program = Program::new();
    program.serve();
    let socket = program.dir.path().join("run/helper.sock");
    let _silent = std::os::unix::net::UnixStream::connect(socket).unwrap();
    assert_eq!(code(&program.run(&["public-key"])), 0);
}
