//! What a kubelet leaves in the container runtime and on the disk.

use crate::error::JoinError;
use crate::files::failed;
use oi_cri::{CriClient, Endpoint, Labels, remove_pods};
use rustix::mount::{UnmountFlags, unmount};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The label that kubelets give all of their pods, and oi's workers none.
const UID: &str = "io.kubernetes.pod.uid";
const GRACE: Duration = Duration::from_secs(5);
/// How often the removal of a pod is tried, second by second.
const TRIES: u32 = 10;

/// Removes the pods of a kubelet. Others stay: those of a hypervisor of oi on the same machine,
/// for example. Returns how many there were.
///
/// # Errors
/// If the runtime does not answer, or does not remove one.
pub fn remove_all(runtime: &str) -> Result<usize, JoinError> {
    // A thread of its own, because the caller may run in an async runtime.
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            let executor = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(failed(Path::new(runtime)))?;
            executor.block_on(remove(runtime))
        });
        done.join().unwrap_or_else(|_| Err(JoinError::Runtime(runtime.to_owned())))
    })
}

async fn remove(runtime: &str) -> Result<usize, JoinError> {
    let client = CriClient::new(&Endpoint::parse(runtime, None)?)?;
    let all = client.sandboxes(&Labels::new()).await?;
    let uids: BTreeSet<String> = all.iter().filter_map(|s| s.labels.get(UID).cloned()).collect();
    for uid in &uids {
        let labels = [(UID.to_owned(), uid.clone())].into();
        remove_pod(&client, &labels).await?;
    }
    Ok(uids.len())
}

/// Removes a pod. One that the kubelet was stopping when it ended cannot be removed for a moment.
async fn remove_pod(client: &CriClient, labels: &Labels) -> Result<(), JoinError> {
    let mut tries = 1;
    while let Err(error) = remove_pods(client, labels, GRACE).await {
        if tries == TRIES {
            return Err(error.into());
        }
        tries += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// The mount points below a directory, innermost last. The directory itself does not count.
fn mounted_below(dir: &Path) -> Result<Vec<PathBuf>, JoinError> {
    let path = Path::new("/proc/self/mountinfo");
    let table = std::fs::read_to_string(path).map_err(failed(path))?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    Ok(points.filter(|p| p.starts_with(dir) && p != dir).collect())
}

/// Unmounts the volumes of pods below a directory, innermost first.
///
/// # Errors
/// If something stays mounted: removing the directory would remove its content.
pub fn unmount_below(dir: &Path) -> Result<(), JoinError> {
    let mut refused = None;
    for point in mounted_below(dir)?.into_iter().rev() {
        if let Err(error) = unmount(&point, UnmountFlags::DETACH) {
            refused = Some(error.into());
        }
    }
    // One that was refused may be gone all the same, with another one.
    match mounted_below(dir)?.into_iter().next() {
        None => Ok(()),
        Some(point) => Err(JoinError::Mounted { point, source: refused }),
    }
}
