//! Sends one command to a program that listens on a unix socket, answers in text and closes, as
//! haproxy's master does.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Not the path of a socket.
    #[error("{0} has no directory")]
    NoDirectory(PathBuf),
    /// Nothing listens, or the connection broke.
    #[error("console {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Sends a command. Returns the answer.
///
/// # Errors
/// If nothing listens, or no answer comes.
pub fn console(socket: &Path, command: &str) -> Result<String, ConsoleError> {
    let failed = |source| ConsoleError::Io { path: socket.to_owned(), source };
    let (Some(dir), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(ConsoleError::NoDirectory(socket.to_owned()));
    };
    // The path of a socket has at most 107 bytes, and that of a directory may be longer.
    let dir = File::open(dir).map_err(failed)?;
    let short = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
    let mut stream = UnixStream::connect(short).map_err(failed)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    stream.set_write_timeout(Some(LIMIT)).map_err(failed)?;
    stream.write_all(format!("{command}\n").as_bytes()).map_err(failed)?;
    // The program would otherwise wait for more.
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    Ok(answer)
}
