//! What tests of the adapter share.
#![allow(dead_code, missing_docs)]

use oi_cri::fake::{FakeCri, Serving};
use oi_cri::*;
use tempfile::TempDir;

/// A runtime of a test's own, and a client of it.
pub struct Lab {
    pub fake: FakeCri,
    pub client: CriClient,
    _serving: Serving,
    pub dir: TempDir,
}

pub fn lab() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeCri::new(dir.path());
    let socket = dir.path().join("cri.sock");
    let serving = fake.serve(&socket).unwrap();
    let endpoint = Endpoint::parse(&format!("unix://{}", socket.display()), None).unwrap();
    let client = CriClient::new(&endpoint).unwrap();
    Lab { fake, client, _serving: serving, dir }
}
