//! The daemon of the helper has the key pair. The commands that `ExecSync` starts send their
//! requests to it, over a unix socket in the container.

use crate::files::{FilesError, apply, read_piece};
use crate::kube::do_calls;
use crate::sealed::{Opener, SealError, seal_bytes};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// So many requests are in hand at most: some for each node, of which most wait for API servers.
const MOST: usize = 2048;
/// How long a command that asks may take to say what. It is a short one, on this machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest request, bytes: Linux passes no longer arguments.
const LONGEST: u64 = 16 << 20;
/// The pause before it is looked again whether one of them has ended.
const TURN: Duration = Duration::from_millis(10);
/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a request to the daemon fails.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket fails.
    #[error("socket {path}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Files cannot be kept to one request.
    #[error("directory {path} cannot be locked: is the data directory of the hypervisor there?")]
    Lock {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The daemon rejected it.
    #[error("{0}")]
    Rejected(String),
}

/// An error with all that caused it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The right to look at files below `root`, and to change them, until it is dropped: requests do so
/// one after the other, and those of the helpers of other releases beside this one, too. The
/// directory itself is locked: that needs no room on a full disk.
fn turn(root: &Path) -> Result<File, ServeError> {
    let locked = File::open(root).and_then(|dir| dir.lock().map(|()| dir));
    locked.map_err(|source| ServeError::Lock { path: root.to_owned(), source })
}

fn answer(opener: &Opener, root: &Path, request: &str) -> Result<String, String> {
    match request.split_once(' ').unwrap_or((request, "")) {
        ("public-key", _) => Ok(opener.public_key()),
        ("put", sealed) => {
            let operations = opener.open(sealed).map_err(|e| chain(&e))?;
            let _held = turn(root).map_err(|e| chain(&e))?;
            let changed = apply(root, &operations).map_err(|e| chain(&e))?;
            Ok(changed.join("\n"))
        }
        ("kube", sealed) => do_calls(opener, sealed).map_err(|e| chain(&e)),
        ("read", rest) => {
            let _held = turn(root).map_err(|e| chain(&e))?;
            read_sealed(root, rest).map_err(|e| chain(&e))
        }
        _ => Err("unknown request".to_owned()),
    }
}

/// Why a piece of a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not `KEY OFFSET LENGTH PATH`.
    #[error("malformed request")]
    Malformed,
    /// The file.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The key.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Reads a piece of a file: `KEY OFFSET LENGTH PATH`. The piece is sealed to that key, base64;
/// where there is no file, the answer is empty.
///
/// # Errors
/// If the request is malformed, or the file cannot be read.
pub fn read_sealed(root: &Path, request: &str) -> Result<String, ReadError> {
    let mut words = request.splitn(4, ' ');
    let mut word = || words.next().ok_or(ReadError::Malformed);
    let (key, offset, length, path) = (word()?, word()?, word()?, word()?);
    let number = |text: &str| text.parse::<u64>().map_err(|_| ReadError::Malformed);
    match read_piece(root, path, number(offset)?, number(length)?) {
        Err(FilesError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Ok(String::new())
        }
        piece => Ok(seal_bytes(key, &piece?)?),
    }
}

/// Runs the daemon until it is killed.
///
/// # Errors
/// If the socket cannot be created.
pub fn serve(socket: &Path, root: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::Socket { path: socket.to_owned(), source };
    match std::fs::remove_file(socket) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    serve_all(listener.incoming(), root, MOST);
    Ok(())
}

/// Answers requests, each in a thread: an API server may take long to answer. The key lasts as
/// long as this does, and so it goes on whatever is wrong with a connection.
fn serve_all(
    incoming: impl Iterator<Item = std::io::Result<UnixStream>>,
    root: &Path,
    most: usize,
) {
    let opener = Arc::new(Opener::default());
    let running = Arc::new(());
    for stream in incoming {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                eprintln!("a connection cannot be accepted: {error}");
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        // Each ends by itself before long; the others wait at the socket.
        while Arc::strong_count(&running) > most {
            std::thread::sleep(TURN);
        }
        let (opener, root, held) = (opener.clone(), root.to_owned(), running.clone());
        let started = std::thread::Builder::new().spawn(move || {
            serve_one(stream, &opener, &root);
            drop(held);
        });
        if let Err(error) = started {
            eprintln!("a request is not answered: no thread: {error}");
            std::thread::sleep(PAUSE);
        }
    }
}

fn serve_one(mut stream: UnixStream, opener: &Opener, root: &Path) {
    let mut request = String::new();
    let read = stream.set_read_timeout(Some(PATIENCE));
    let read = read.and_then(|()| (&stream).take(LONGEST).read_to_string(&mut request));
    if let Err(error) = read {
        eprintln!("a request cannot be read: {error}");
        return;
    }
    let reply = match answer(opener, root, &request) {
        Ok(text) => format!("+{text}"),
        Err(text) => format!("-{text}"),
    };
    if let Err(error) = stream.write_all(reply.as_bytes()) {
        eprintln!("the command that asked is gone: {error}");
    }
}

fn ask(socket: &Path, request: &str) -> Result<String, ServeError> {
    let failed = |source| ServeError::Socket { path: socket.to_owned(), source };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.write_all(request.as_bytes()).map_err(failed)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(failed)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).map_err(failed)?;
    match reply.strip_prefix('+') {
        Some(text) => Ok(text.to_owned()),
        None => Err(ServeError::Rejected(reply.trim_start_matches('-').to_owned())),
    }
}

/// Asks the daemon for its public key.
///
/// # Errors
/// If it does not answer.
pub fn ask_public_key(socket: &Path) -> Result<String, ServeError> {
    ask(socket, "public-key")
}

/// Has the daemon do sealed operations. Returns the paths that changed, one a line.
///
/// # Errors
/// If they are rejected or fail.
pub fn ask_put(socket: &Path, sealed: &str) -> Result<String, ServeError> {
    ask(socket, &format!("put {sealed}"))
}

/// Has the daemon send sealed requests to an API server. Returns the replies, sealed.
///
/// # Errors
/// If they are rejected or fail.
pub fn ask_kube(socket: &Path, sealed: &str) -> Result<String, ServeError> {
    ask(socket, &format!("kube {sealed}"))
}

/// Has the daemon read a piece of a file; see [`read_sealed`].
///
/// # Errors
/// If it is rejected or fails.
pub fn ask_read(socket: &Path, request: &str) -> Result<String, ServeError> {
    ask(socket, &format!("read {request}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::files::FileOp;
    use crate::sealed::seal;
    use std::sync::mpsc;

    /// A daemon, and where connections to it are put.
    fn daemon(most: usize) -> mpsc::Sender<std::io::Result<UnixStream>> {
        daemon_of(Path::new("/nowhere"), most)
    }

    fn daemon_of(root: &Path, most: usize) -> mpsc::Sender<std::io::Result<UnixStream>> {
        let (sender, incoming) = mpsc::channel();
        let root = root.to_owned();
        std::thread::spawn(move || serve_all(incoming.into_iter(), &root, most));
        sender
    }

    /// Sends a request. The answer is to be read.
    fn sent(daemon: &mpsc::Sender<std::io::Result<UnixStream>>, request: &str) -> UnixStream {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(request.as_bytes()).unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        daemon.send(Ok(theirs)).unwrap();
        ours
    }

    fn asked(daemon: &mpsc::Sender<std::io::Result<UnixStream>>) -> String {
        let mut answer = String::new();
        sent(daemon, "public-key").read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn files_wait_for_the_helper_of_another_release() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let daemon = daemon_of(dir.path(), 8);
        let key = asked(&daemon).trim_start_matches('+').to_owned();
        let content = b"ours".to_vec();
        let write = FileOp::Write { path: path.display().to_string(), mode: 0o600, content };
        // The other one has looked at the fence, and is about to change what is behind it.
        let other = File::open(dir.path()).unwrap();
        other.lock().unwrap();
        let sealed = seal(&key, &[write]).unwrap().concat();
        let mut ours = sent(&daemon, &format!("put {sealed}"));
        ours.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut answer = String::new();
        ours.read_to_string(&mut answer).unwrap_err();
        assert!(!path.exists());
        assert!(asked(&daemon).starts_with('+'), "what needs no file does not wait");
        drop(other);
        ours.set_read_timeout(None).unwrap();
        ours.read_to_string(&mut answer).unwrap();
        assert_eq!((answer.chars().next(), path.exists()), (Some('+'), true), "{answer}");
    }

    #[test]
    fn a_connection_that_fails_ends_neither_the_daemon_nor_its_key() {
        let daemon = daemon(8);
        let before = asked(&daemon);
        daemon.send(Err(ErrorKind::ConnectionAborted.into())).unwrap();
        assert_eq!(asked(&daemon), before);
        assert!(before.starts_with('+'));
    }

    #[test]
    fn requests_that_do_not_end_are_bounded() {
        let daemon = daemon(2);
        let held = || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            daemon.send(Ok(theirs)).unwrap();
            ours
        };
        let (one, _two) = (held(), held());
        let mut third = held();
        third.write_all(b"public-key").unwrap();
        third.shutdown(std::net::Shutdown::Write).unwrap();
        third.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut answer = String::new();
        third.read_to_string(&mut answer).unwrap_err();
        drop(one);
        third.set_read_timeout(None).unwrap();
        third.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with('+'), "{answer}");
    }
}
