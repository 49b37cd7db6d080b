//! A gateway at a broker of its own.

use oi_gateway::{Gateway, GatewayHandles};
use oi_journal::Journal;
use oi_journal::testing::free_port;
use oi_keyring::Keys;
use oi_pki::KeyEncryptionKey;
use oi_view::View;
use std::sync::Arc;

/// Serves a gateway with this view of a journal. Returns its port.
pub fn serve(journal: &Journal, view: View) -> u16 {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyEncryptionKey::load_or_create(&dir.path().join("kek")).unwrap();
    let keys = Keys::new(journal.key_store(), Arc::new(key));
    let handles = GatewayHandles {
        log: journal.log(),
        commands: journal.command_client(),
        submissions: journal.submissions(),
        rejections: journal.rejections(),
        feed: journal.feed(),
        keyring: keys.keyring(),
    };
    let port = free_port();
    let gateway = Gateway::new(handles, view, "test");
    tokio::spawn(gateway.serve(([127, 0, 0, 1], port).into(), None, std::future::pending()));
    port
}
