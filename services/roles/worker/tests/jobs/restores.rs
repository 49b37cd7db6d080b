//! Backups, restores, clones and imports.

use crate::platform::*;
use oi_events::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_harms_nothing_and_another_one_is_restored() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    std::fs::write(platform.database(), "first").unwrap();
    platform.back_up().await;
    platform.settled("the first backup").await;
    let [object] = platform.objects().try_into().unwrap();
    let whole = std::fs::read(&object).unwrap();
    std::fs::write(&object, &whole[..whole.len() - 3]).unwrap();
    std::fs::write(platform.database(), "second").unwrap();
    platform.back_up().await;
    platform.settled("the second backup").await;

    let ids = || platform.private.fake.containers().into_iter().map(|c| c.id).collect::<Vec<_>>();
    let running = ids();
    platform.restore().await;
    platform.settled("the end of the restore").await;
    assert_eq!(platform.pods(), all_pods());
    assert_eq!(ids(), running, "nothing was stopped");
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "second");

    let name: ClusterName = "test".parse().unwrap();
    std::fs::write(platform.database(), "third").unwrap();
    let backup = platform.view.read(|s| *s.clusters[&name].backups.keys().last().unwrap());
    platform.submit(RestoreClusterV1 { name, backup }).await;
    platform.settled("the other backup").await;
    assert_eq!(platform.pods(), all_pods());
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "second");
    let etcd = platform.database().parent().unwrap().parent().unwrap().to_owned();
    for left in ["before", "restores"] {
        assert!(!etcd.join(left).exists(), "{left} is removed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_restore_puts_the_data_from_before_back() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("a second member").await;
    let write = |content: &str| {
        ["cp-1", "cp-2"].map(|n| std::fs::write(platform.database_of(n), content).unwrap())
    };
    write("unusable");
    platform.back_up().await;
    platform.settled("the backup").await;
    write("good");
    platform.restore().await;
    platform.failure(".etcd").await;
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "unusable");
    assert!(!platform.database_of("cp-2").exists(), "it is to join anew");
    platform.submit(AbortRestoreV1 { name: "test".parse().unwrap() }).await;
    platform.settled("the abort").await;
    assert_eq!(platform.databases(), ["good", "good"]);
    assert_eq!(platform.pods().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_member_takes_the_data_and_the_others_join_it() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("a second member").await;
    std::fs::write(platform.database(), "first").unwrap();
    platform.back_up().await;
    platform.settled("the backup").await;
    for n in ["cp-1", "cp-2"] {
        std::fs::write(platform.database_of(n), "second").unwrap();
    }
    platform.restore().await;
    platform.settled("the restore").await;
    assert_eq!(platform.databases(), ["first", "new"]);
    assert_eq!(platform.pods().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_snapshot_is_no_backup() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.private.fake.cut_snapshot();
    platform.back_up().await;
    let message = platform.failure(".backup").await;
    assert!(message.contains("is not whole"), "{message}");
    assert_eq!(platform.objects().len(), 0, "nothing of it stays");
    platform.settled("another attempt").await;
    assert_eq!(platform.objects().len(), 1);
    platform.restore().await;
    platform.settled("the restore").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_others_have_made_becomes_a_cluster() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    std::fs::write(platform.database(), "of others").unwrap();
    let spec = platform.view.read(|s| s.clusters.values().next().unwrap().spec.clone());
    platform.delete().await;
    platform.settled("deletion").await;

    let dir = platform._dir.path().join("backups/imports/test");
    std::fs::create_dir_all(&dir).unwrap();
    let sum = hex::decode(Hash::plain(b"of others").to_string()).unwrap();
    std::fs::write(dir.join("etcd.db"), [b"of others".as_slice(), &sum].concat()).unwrap();
    let (name, file) = ("test".parse().unwrap(), "etcd.db".to_owned());
    platform.submit(ImportClusterV1 { name, spec, file, sha256: Hash::ZERO }).await;
    platform.add("cp-1", Role::ControlPlane).await;
    platform.add("lb-1", Role::ControlPlaneIngress).await;
    platform.settled("the import").await;
    assert_eq!(platform.pods(), all_pods());
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "of others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_restore_that_was_aborted_early_goes_on() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.back_up().await;
    platform.settled("the backup").await;
    let fake = &platform.private.fake;
    fake.hold_restores(true);
    platform.restore().await;
    eventually("nothing is unpacked", LIMIT, || running(fake, "restore").len() == 1).await;
    platform.submit(AbortRestoreV1 { name: "test".parse().unwrap() }).await;
    platform.settled("the abort").await;
    assert_eq!(platform.pods(), all_pods());
    let restores = platform.database().parent().unwrap().with_file_name("restores");
    assert!(!restores.exists());
}
