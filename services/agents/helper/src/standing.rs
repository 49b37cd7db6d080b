//! What stands on the machine: directories of clusters, and ports on which something listens.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The state of a socket that listens, as Linux writes it.
const LISTENS: &str = "0A";

/// The directories of clusters' nodes below `root`, as `CLUSTER/NODE`, and of clusters without
/// any, in order. What only tells of a directory is none.
///
/// # Errors
/// If a directory cannot be read.
pub fn directories(root: &Path) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    let clusters = root.join("clusters");
    for cluster in names(&clusters)? {
        let nodes = names(&clusters.join(&cluster))?;
        if nodes.is_empty() {
            all.push(cluster.clone());
        }
        all.extend(nodes.into_iter().map(|node| format!("{cluster}/{node}")));
    }
    Ok(all)
}

/// The directories in one, in order; none where it is not there.
fn names(dir: &Path) -> Result<BTreeSet<String>, Error> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        read => read?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// The TCP ports on which something of this machine listens at an address, or at all of them.
///
/// # Errors
/// If the tables of the system cannot be read.
pub fn listening(address: IpAddr) -> Result<BTreeSet<u16>, Error> {
    let mut all = ports(&fs::read_to_string("/proc/net/tcp")?, address);
    match fs::read_to_string("/proc/net/tcp6") {
        Ok(table) => all.extend(ports(&table, address)),
        // It has no IPv6.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(all)
}

/// The same of one table: a line for each socket, after a heading.
fn ports(table: &str, address: IpAddr) -> BTreeSet<u16> {
    let port = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, state) = (words.get(1)?, words.get(3)?);
        let (at, port) = local.split_once(':')?;
        let (at, Ok(port)) = (parse_address(at)?, u16::from_str_radix(port, 16)) else {
            return None;
        };
        (*state == LISTENS && (at.is_unspecified() || at == address)).then_some(port)
    };
    table.lines().skip(1).filter_map(port).collect()
}

/// An address as Linux writes it: words of 32 bits in the machine's own order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |n: usize| match u32::from_str_radix(text.get(n * 8..n * 8 + 8)?, 16) {
        Ok(word) => Some(word.to_ne_bytes()),
        Err(_) => None,
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (n, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(n)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::net::TcpListener;

    #[test]
    fn what_listens_at_an_address_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listening("127.0.0.1".parse().unwrap()).unwrap().contains(&port));
        assert!(!listening("192.0.2.1".parse().unwrap()).unwrap().contains(&port));
        drop(listener);
        assert!(!listening("127.0.0.1".parse().unwrap()).unwrap().contains(&port));
    }

    #[test]
    fn directories_of_nodes_are_found_and_marks_are_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(directories(dir.path()).unwrap().is_empty());
        fs::create_dir_all(dir.path().join("clusters/a/cp-1/etcd")).unwrap();
        fs::write(dir.path().join("clusters/a/.cp-1.generation"), "7").unwrap();
        fs::create_dir_all(dir.path().join("clusters/b")).unwrap();
        assert_eq!(directories(dir.path()).unwrap(), ["a/cp-1", "b"]);
    }
}
