//! What other releases leave on a hypervisor goes, and nothing that is in use.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use oi_cri::*;
use support::{Lab, lab};

#[tokio::test]
async fn the_helper_of_an_older_release_goes_a_day_after_it_was_replaced() {
    let Lab { fake, client, dir, .. } = &lab();
    let settings = |image: &str| HelperSettings {
        hypervisor: "hv-1".to_owned(),
        image: image.to_owned(),
        data_dir: dir.path().display().to_string(),
    };
    let (old, new) = (settings("oi-helper:1"), settings("oi-helper:2"));
    Helper::ensure(client, &old).await.unwrap();
    let first = fake.sandboxes()[0].id.clone();
    Helper::ensure(client, &new).await.unwrap();
    let ids = || fake.sandboxes().into_iter().map(|s| s.id).collect::<Vec<_>>();
    let second = ids().into_iter().find(|id| *id != first).unwrap();
    let hour_ns = 3600 * 1_000_000_000;
    let hour_ms = 3600 * 1000;
    fake.age_sandbox(&first, 10 * hour_ns);
    fake.age_sandbox(&second, 20 * hour_ns);
    Helper::remove_older(client, &new, 40 * hour_ms).await.unwrap();
    assert_eq!(ids().len(), 2, "both releases may run");
    Helper::remove_older(client, &old, 50 * hour_ms).await.unwrap();
    assert_eq!(ids().len(), 2, "the older one leaves the newer one alone");
    Helper::remove_older(client, &new, 50 * hour_ms).await.unwrap();
    assert_eq!(ids(), [second]);
}

#[tokio::test]
async fn an_image_is_removed_once_and_may_be_gone() {
    let Lab { fake, client, .. } = &lab();
    client.ensure_image("a:1").await.unwrap();
    client.ensure_image("a:2").await.unwrap();
    assert_eq!(client.images().await.unwrap().len(), 2);
    client.remove_image("a:1").await.unwrap();
    client.remove_image("a:1").await.unwrap();
    assert_eq!(fake.images(), ["a:2"]);
}
