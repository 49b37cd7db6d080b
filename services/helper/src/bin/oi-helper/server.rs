//! The long-lived part: holds the key pair, and does what the short-lived part,
//! started by `ExecSync`, asks over a unix socket inside the container.

use crate::chain;
use oi_helper::{FilesError, Opener, SealError, apply, exit, hash};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Who asks has a whole request at hand, so a longer silence is a broken one.
const SILENCE: Duration = Duration::from_secs(5);
const LARGEST: u64 = 8 << 20;

/// What is asked.
#[derive(Serialize, Deserialize)]
pub enum Request {
    PublicKey,
    Put(String),
    Hash(Vec<String>),
}

/// What to print and how to end.
#[derive(Serialize, Deserialize)]
pub struct Reply {
    pub exit: u8,
    pub text: String,
}

/// Why the two parts did not get on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot handle SIGTERM")]
    Signal(#[source] std::io::Error),
    #[error("cannot listen on {socket}")]
    Listen { socket: PathBuf, source: std::io::Error },
    #[error("nothing listens on {socket}")]
    Connect { socket: PathBuf, source: std::io::Error },
    #[error("the server breaks off")]
    Exchange(#[source] std::io::Error),
    #[error("a message is malformed")]
    Message(#[source] postcard::Error),
}

fn put(opener: &Opener, root: &Path, sealed: &str) -> Reply {
    let operations = match opener.open(sealed) {
        Ok(operations) => operations,
        Err(e @ SealError::Open) => return Reply { exit: exit::OTHER_KEY, text: chain(&e) },
        Err(e) => return Reply { exit: exit::FAILED, text: chain(&e) },
    };
    let done = apply(root, &operations);
    files_reply(done.map(|changed| format!("{}\n", serde_json::json!(changed))))
}

fn files_reply(done: Result<String, FilesError>) -> Reply {
    match done {
        Ok(text) => Reply { exit: exit::DONE, text },
        Err(e) if e.is_refusal() => Reply { exit: exit::REFUSED, text: chain(&e) },
        Err(e) => Reply { exit: exit::FAILED, text: chain(&e) },
    }
}

fn answer(opener: &Opener, root: &Path, request: Request) -> Reply {
    match request {
        Request::PublicKey => Reply { exit: exit::DONE, text: opener.public_key() + "\n" },
        Request::Put(sealed) => put(opener, root, &sealed),
        Request::Hash(paths) => files_reply(
            hash(root, &paths).map(|states| states.iter().map(|s| format!("{s}\n")).collect()),
        ),
    }
}

fn serve_one(opener: &Opener, root: &Path, stream: &mut UnixStream) -> Result<(), ServerError> {
    stream.set_read_timeout(Some(SILENCE)).map_err(ServerError::Exchange)?;
    let request = receive(stream)?;
    send(stream, &answer(opener, root, request))
}

/// Serves one request after another until the process gets SIGTERM or SIGINT.
pub fn serve(socket: &Path, root: &Path) -> Result<(), ServerError> {
    // The kernel ignores signals of process 1 that it does not handle itself.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        let always = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_shutdown(signal, exit::DONE.into(), always)
            .map_err(ServerError::Signal)?;
    }
    let failed = |source| ServerError::Listen { socket: socket.to_owned(), source };
    let opener = Opener::default();
    if let Some(parent) = socket.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // One that is still served is replaced; its clients then seal to the other key.
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(failed)?;
    for stream in listener.incoming() {
        let mut stream = stream.map_err(failed)?;
        if let Err(e) = serve_one(&opener, root, &mut stream) {
            eprintln!("oi-helper: {}", chain(&e));
        }
    }
    Ok(())
}

fn receive<T: serde::de::DeserializeOwned>(stream: &mut UnixStream) -> Result<T, ServerError> {
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes).map_err(ServerError::Exchange)?;
    postcard::from_bytes(&bytes).map_err(ServerError::Message)
}

fn send<T: Serialize>(stream: &mut UnixStream, message: &T) -> Result<(), ServerError> {
    let bytes = postcard::to_stdvec(message).map_err(ServerError::Message)?;
    stream.write_all(&bytes).map_err(ServerError::Exchange)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(ServerError::Exchange)
}

/// Asks the long-lived part.
pub fn ask(socket: &Path, request: &Request) -> Result<Reply, ServerError> {
    let mut stream = UnixStream::connect(socket)
        .map_err(|source| ServerError::Connect { socket: socket.to_owned(), source })?;
    send(&mut stream, request)?;
    receive(&mut stream)
}
