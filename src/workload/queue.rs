//! A controller's work queue: keys of objects to look at, each at most once, some of them later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Keys that may wait in one queue. Keys are deduplicated, so this is a number of objects. A queue that is full forgets
/// the key and has its controller look at all objects once it has caught up.
pub(super) const MAX_WAITING: usize = 20_000;

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    One(Key),
    /// Keys were lost: look at all objects.
    All,
}

/// Clones are one queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Key>,
    /// The same keys as in `ready`.
    queued: BTreeSet<Key>,
    /// Ordered by time, then by key.
    later: BTreeSet<(Instant, Key)>,
    due: BTreeMap<Key, Instant>,
    lost: bool,
}

impl State {
    fn push(&mut self, key: Key) {
        if self.queued.contains(&key) {
            return;
        }
        if self.ready.len() >= MAX_WAITING {
            self.lost = true;
            return;
        }
        self.queued.insert(key.clone());
        self.ready.push_back(key);
    }

    /// Moves what is due to the ready keys, in order of its time.
    fn take_due(&mut self, now: Instant) {
        while let Some((at, _)) = self.later.first() {
            if *at > now {
                break;
            }
            if let Some((_, key)) = self.later.pop_first() {
                self.due.remove(&key);
                self.push(key);
            }
        }
    }

    fn pop(&mut self) -> Option<Work> {
        if let Some(key) = self.ready.pop_front() {
            self.queued.remove(&key);
            return Some(Work::One(key));
        }
        std::mem::take(&mut self.lost).then_some(Work::All)
    }
}

impl Queue {
    /// Looks at the object soon.
    pub(super) fn add(&self, key: Key) {
        self.lock().push(key);
        self.inner.changed.notify_one();
    }

    /// Looks at the object after this time; of several times for one object the earliest counts.
    pub(super) fn add_after(&self, key: Key, after: Duration) {
        let at = Instant::now() + after;
        let mut state = self.lock();
        match state.due.get(&key).copied() {
            Some(earlier) if earlier <= at => return,
            Some(later) => {
                state.later.remove(&(later, key.clone()));
            }
            None if state.later.len() >= MAX_WAITING => {
                state.lost = true;
                return;
            }
            None => {}
        }
        state.due.insert(key.clone(), at);
        state.later.insert((at, key));
        drop(state);
        self.inner.changed.notify_one();
    }

    /// Waits for work. One task takes from a queue.
    pub(super) async fn next(&self) -> Work {
        loop {
            let wake = {
                let mut state = self.lock();
                state.take_due(Instant::now());
                if let Some(work) = state.pop() {
                    return work;
                }
                state.later.first().map(|(at, _)| *at)
            };
            let changed = self.inner.changed.notified();
            match wake {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, changed).await;
                }
                None => changed.await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("test", name)
    }

    async fn next_name(queue: &Queue) -> String {
        match queue.next().await {
            Work::One(key) => key.name,
            Work::All => "all".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_comes_in_order() {
        let queue = Queue::default();
        for name in ["a", "b", "a"] {
            queue.add(key(name));
        }
        assert_eq!(next_name(&queue).await, "a");
        queue.add(key("a"));
        assert_eq!(next_name(&queue).await, "b");
        assert_eq!(next_name(&queue).await, "a");
        let more = tokio::time::timeout(Duration::from_secs(60), queue.next()).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_delays_the_shortest_counts() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(30));
        queue.add_after(key("b"), Duration::from_secs(20));
        queue.add_after(key("a"), Duration::from_secs(10));
        queue.add_after(key("a"), Duration::from_secs(40));
        assert_eq!((next_name(&queue).await.as_str(), start.elapsed().as_secs()), ("a", 10));
        assert_eq!((next_name(&queue).await.as_str(), start.elapsed().as_secs()), ("b", 20));
        assert!(tokio::time::timeout(Duration::from_secs(60), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_has_all_objects_looked_at_afterwards() {
        let queue = Queue::default();
        for number in 0..=MAX_WAITING {
            queue.add(key(&format!("{number:05}")));
        }
        for _ in 0..MAX_WAITING {
            assert!(matches!(queue.next().await, Work::One(_)));
        }
        assert_eq!(queue.next().await, Work::All);
    }
}
