//! What is left on a hypervisor is found, told and removed.

use crate::platform::*;
use oi_cri::{CriClient, Endpoint, Helper, HelperSettings, PodSpec, ensure_sandbox, label};
use oi_events::*;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_nobody_is_removed_and_what_is_anothers_is_not() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    let of_cluster = |labels: &std::collections::HashMap<String, String>| {
        labels.contains_key(label::CLUSTER_UID)
    };
    let all = platform.private.fake.sandboxes();
    let labels = all.into_iter().map(|s| s.labels).find(of_cluster).unwrap();
    platform.delete().await;
    platform.settled("deletion").await;

    // As by a worker that slept meanwhile, and by another installation.
    let pod = |name: &str, uid: &str| {
        let mut identity = labels.clone().into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let generation = identity.remove(label::GENERATION).unwrap().parse().unwrap();
        identity.insert(label::CLUSTER_UID.to_owned(), uid.to_owned());
        PodSpec { name: name.to_owned(), identity, generation, ..PodSpec::default() }
    };
    let endpoint = format!("unix://{}/cri.sock", platform.private.dir.path().display());
    let client = CriClient::new(&Endpoint::parse(&endpoint, None).unwrap()).unwrap();
    let anothers = Uuid::now_v7().to_string();
    for (name, uid) in [("anothers", anothers.as_str()), ("late", &labels[label::CLUSTER_UID])] {
        ensure_sandbox(&client, &pod(name, uid)).await.unwrap();
    }
    let left = || {
        let all = platform.private.fake.sandboxes();
        let names = all.into_iter().filter(|s| of_cluster(&s.labels));
        names.map(|s| s.metadata.unwrap().name).collect::<Vec<_>>()
    };
    let wait = async {
        while left() != ["anothers"] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{:?}", left()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_and_belongs_to_nobody_is_told_and_what_is_left_of_a_cluster_is_removed() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let uid = platform.view.read(|s| s.clusters.values().next().unwrap().uid.to_string());
    platform.delete().await;
    platform.settled("deletion").await;
    platform.create().await;
    platform.settled("the next creation").await;
    let busy = platform.view.read(|s| s.clusters.values().next().unwrap().uid.to_string());
    platform.delete().await;
    platform.settled("the next deletion").await;
    let anothers = Uuid::now_v7().to_string();
    let left = platform.private.dir.path().join("clusters").join(uid);
    for uid in [left.file_name().unwrap().to_str().unwrap(), &busy, &anothers] {
        std::fs::create_dir_all(left.with_file_name(uid).join("cp-1")).unwrap();
    }
    platform.private.fake.refuse_removals(&busy);
    platform.private.fake.listen(30_007);
    platform.private.fake.listen(80);
    let told = || {
        let all = platform.view.read(|s| s.hypervisors.clone());
        let (_, private) = all.iter().find(|(name, _)| name.as_str() == "hv-private").unwrap();
        let strays = private.strays.clone();
        let stay = [&busy, &anothers].map(|uid| format!("{uid}/cp-1"));
        strays.directories == stay && strays.ports == [30_007]
    };
    eventually("strays are not told", Duration::from_secs(60), told).await;
    assert!(!left.exists());
    assert!(left.with_file_name(&anothers).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_of_a_node_outlives_it_until_its_cluster_is_deleted() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("creation").await;
    let uid = platform.view.read(|s| s.clusters.values().next().unwrap().uid.to_string());
    let of = |h: &Hypervisor, n: &str| h.dir.path().join("clusters").join(&uid).join(n);
    let both = [&platform.private, &platform.public];
    let dir = both.map(|h| of(h, "cp-2")).into_iter().find(|dir| dir.exists()).unwrap();
    std::fs::write(dir.join("audit/audit.log"), "who did what").unwrap();
    platform.remove("cp-2").await;
    platform.settled("removal").await;
    assert!(!dir.exists());
    let kept = || {
        let all = both.map(|h| h.dir.path().join("audit").join(&uid));
        let there = all.iter().filter_map(|dir| match std::fs::read_dir(dir) {
            Ok(entries) => Some(entries.map(|e| e.unwrap().path()).collect::<Vec<_>>()),
            Err(_) => None,
        });
        there.flatten().map(|dir| std::fs::read_to_string(dir.join("audit.log")).unwrap()).collect()
    };
    let logs: Vec<String> = kept();
    assert_eq!(logs, ["who did what"]);
    platform.delete().await;
    platform.settled("deletion").await;
    assert!(kept().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fills_the_disk_of_a_hypervisor_and_nobody_needs_goes() {
    let platform = Platform::tidying(2, 1, Duration::from_millis(200)).await;
    platform.register_both().await;
    platform.create().await;
    platform.settled("creation").await;
    let (fake, dir) = (&platform.private.fake, platform.private.dir.path());
    let api = |tag: &str| format!("registry.k8s.io/kube-apiserver:{tag}");
    let stay = [api("v1.35.2"), api("v1.36.3"), api("v1.36.9"), "example.org/app:1".to_owned()];
    fake.add_image(&api("v1.35.1"));
    stay.iter().for_each(|name| fake.add_image(name));
    let day = Duration::from_secs(24 * 3600);
    let put = |path: std::path::PathBuf, days: u32| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - days * day).unwrap();
        path
    };
    let data = platform.database().parent().unwrap().to_owned();
    let log = |node: &str| {
        dir.join("audit").join(Uuid::now_v7().to_string()).join(node).join("audit.log")
    };
    let old = [
        put(data.join("oi-1.snapshot"), 2),
        put(data.join("oi-2.snapshot.part"), 2),
        put(log("cp-1"), 31),
    ];
    let new = [
        put(data.join("oi-3.snapshot"), 0),
        put(log("cp-2"), 29),
        put(data.join("member/x.snapshot"), 2),
    ];
    let endpoint = Endpoint::parse(&format!("unix://{}/cri.sock", dir.display()), None).unwrap();
    let settings = HelperSettings {
        hypervisor: "hv-private".to_owned(),
        image: "oi-helper:older".to_owned(),
        data_dir: dir.display().to_string(),
    };
    Helper::ensure(&CriClient::new(&endpoint).unwrap(), &settings).await.unwrap();
    let helpers = || {
        let all = fake.sandboxes().into_iter();
        all.filter(|s| s.labels.contains_key(label::HELPER)).map(|s| s.id).collect::<Vec<_>>()
    };
    let [own, older] = helpers().try_into().unwrap();
    fake.age_sandbox(&own, 2);
    fake.age_sandbox(&older, 1);
    let images = || fake.images().contains(&api("v1.35.1"));
    let gone = || !images() && helpers() == [own.clone()] && !old.iter().any(|path| path.exists());
    eventually("something stays", Duration::from_secs(30), gone).await;
    // The look after that finds nothing more.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(stay.iter().all(|name| fake.images().contains(name)), "{:?}", fake.images());
    assert!(new.iter().all(|path| path.exists()));
    assert_eq!(platform.pods(), all_pods());
}
