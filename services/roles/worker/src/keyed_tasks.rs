//! Tasks that run beside a loop, one for each key.

use std::collections::BTreeMap;
use std::fmt::Debug;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// One task for each key. A task that panics is told, and its key is free again: whoever wants the
/// task starts it anew. All end when this is dropped.
#[derive(Debug)]
pub struct KeyedTasks<K> {
    tasks: JoinSet<()>,
    running: BTreeMap<K, AbortHandle>,
}

impl<K> Default for KeyedTasks<K> {
    fn default() -> KeyedTasks<K> {
        KeyedTasks { tasks: JoinSet::new(), running: BTreeMap::new() }
    }
}

impl<K: Ord + Clone + Debug> KeyedTasks<K> {
    /// Whether the task of a key runs.
    pub fn runs(&mut self, key: &K) -> bool {
        self.reap();
        self.running.contains_key(key)
    }

    /// Starts a task, unless the task of that key runs.
    pub fn start(&mut self, key: K, task: impl Future<Output = ()> + Send + 'static) {
        if !self.runs(&key) {
            self.running.insert(key, self.tasks.spawn(task));
        }
    }

    /// Waits until a task ends. While there is none, it waits for ever.
    pub async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.forget(ended),
            None => std::future::pending().await,
        }
    }

    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        let Some(key) = self.running.iter().find(|(_, task)| task.id() == id).map(|(key, _)| key)
        else {
            return;
        };
        let key = key.clone();
        if let Err(error) = ended {
            tracing::error!(?key, %error, "a task has a defect and ended");
        }
        self.running.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::KeyedTasks;

    #[tokio::test]
    async fn a_task_that_panicked_is_started_again() {
        let mut tasks = KeyedTasks::default();
        tasks.start("one", async { panic!("a defect") });
        tasks.ended().await;
        assert!(!tasks.runs(&"one"));
        tasks.start("one", std::future::pending());
        tasks.start("one", async { panic!("started twice") });
        tokio::task::yield_now().await;
        assert!(tasks.runs(&"one"));
    }
}
