//! What is checked before anything changes.

use super::Machine;
use crate::error::JoinError;
use crate::{Join, kubelet};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const KUBELET_PORT: u16 = 10250;
/// How long a kubelet whose supervisor was killed may take to exit.
const EXIT: Duration = Duration::from_secs(3);

impl Machine {
    /// Rejects what cannot work. Returns the kubelet's program.
    pub(crate) fn check(&self, join: &Join) -> Result<PathBuf, JoinError> {
        self.check_words(join)?;
        let Some(socket) = join.runtime.strip_prefix("unix://").map(PathBuf::from) else {
            let (what, value, problem) =
                ("--cri-socket", join.runtime.clone(), "write unix:///path");
            return Err(JoinError::Invalid { what, value, problem });
        };
        UnixStream::connect(&socket).map_err(|_| JoinError::NoRuntime(socket))?;
        let kubelet = kubelet::find()?;
        let end = Instant::now() + EXIT;
        while !self.is_kubelet_running() && TcpListener::bind(("0.0.0.0", KUBELET_PORT)).is_err() {
            if Instant::now() >= end {
                return Err(JoinError::PortTaken(KUBELET_PORT));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(kubelet)
    }

    /// Rejects arguments that are malformed.
    pub(crate) fn check_words(&self, join: &Join) -> Result<(), JoinError> {
        let invalid = |what, value: &str, problem| {
            Err(JoinError::Invalid { what, value: value.to_owned(), problem })
        };
        if !rustix::process::geteuid().is_root() {
            return Err(JoinError::NotRoot);
        }
        if !is_node_name(&join.node) {
            return invalid(
                "--nodename",
                &join.node,
                "use a-z, 0-9, '-' and '.', as a DNS name has them",
            );
        }
        let port = |e: &str| {
            e.rsplit_once(':').is_some_and(|(h, p)| !h.is_empty() && p.parse::<u16>().is_ok())
        };
        if !port(&join.endpoint) || join.endpoint.contains('/') {
            return invalid("--apiserver-endpoint", &join.endpoint, "write host:port");
        }
        if !is_token(&join.token) {
            return invalid(
                "--join-token",
                "(not shown)",
                "it has the form abcdef.0123456789abcdef",
            );
        }
        Ok(())
    }
}

/// Whether it is an RFC 1123 subdomain, as names of Kubernetes nodes are.
fn is_node_name(name: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |l: &str| {
        let bytes = l.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|&c| edge(c) || c == b'-')
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_token(token: &str) -> bool {
    let plain = |s: &str, n| {
        s.len() == n && s.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    token.split_once('.').is_some_and(|(id, secret)| plain(id, 6) && plain(secret, 16))
}

#[cfg(test)]
mod tests {
    use super::{is_node_name, is_token};

    #[test]
    fn names_and_tokens_have_their_form() {
        assert!(is_node_name("a") && is_node_name("rack-7.example.org"));
        assert!(!is_node_name("") && !is_node_name("A") && !is_node_name("a..b"));
        assert!(!is_node_name("-a") && !is_node_name("a_b"));
        assert!(is_token("abcdef.0123456789abcdef"));
        assert!(!is_token("abcdef.0123456789abcde") && !is_token("abcdef") && !is_token(""));
    }
}
