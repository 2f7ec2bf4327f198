//! Watches: the changes of one kind, as they are committed, filtered by selectors.

use super::kinds::Kind;
use super::object::Object;
use super::options::WatchOptions;
use super::server::Inner;
use super::status::Status;
use super::store::Change;
use crate::sys::signal::Waiter;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// How often a bookmark is sent to those who asked for bookmarks; the real watch cache does it about once a minute.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// Most changes that a watch takes over at a time, and so holds for a client that is slow to take them. Beyond that it is as
/// far behind as the client is, until what it has not seen is no longer kept: then it ends with 410. Only the objects that are
/// there when a watch without a revision begins are all noted at once.
pub const WATCH_BUFFER: usize = 256;

/// What happened, `WatchEvent.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEventKind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

impl WatchEventKind {
    /// As written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// One event of a watch. An `Error` carries a `Status` and ends the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchEvent {
    pub kind: WatchEventKind,
    pub object: Arc<Value>,
}

/// The same with the object as it is kept, decoded or not.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub kind: WatchEventKind,
    pub object: Arc<Object>,
}

impl From<Event> for WatchEvent {
    fn from(event: Event) -> Self {
        Self { kind: event.kind, object: event.object.glance() }
    }
}

/// The events of one watch, in the order of their revisions.
pub type WatchStream = BoxStream<'static, WatchEvent>;

struct Watcher {
    inner: Arc<Inner>,
    kind: Arc<Kind>,
    namespace: Option<String>,
    options: WatchOptions,
    /// Everything up to here has been seen.
    revision: u64,
    pending: VecDeque<Event>,
    signal: Waiter,
    ends: Option<Instant>,
    next_bookmark: Instant,
    done: bool,
}

impl Watcher {
    fn selects(&self, object: &Object) -> bool {
        if self.options.label_selector.is_none() && self.options.field_selector.is_none() {
            return true;
        }
        let object = object.glance();
        self.options.label_selector.as_ref().is_none_or(|it| it.matches_object(&object))
            && self.options.field_selector.as_ref().is_none_or(|it| it.matches(&object))
    }

    /// The event of a change as this watch sees it: an object that begins to match appears, one that ceases to disappears.
    fn event(&self, change: &Change) -> Option<Event> {
        if self.namespace.as_ref().is_some_and(|it| **it != *change.object.namespace) {
            return None;
        }
        let before = change.before.as_ref().is_some_and(|it| self.selects(it));
        let after = !change.deleted && self.selects(&change.object);
        let (kind, object) = match (before, after) {
            (false, true) => (WatchEventKind::Added, &change.object),
            (true, true) => (WatchEventKind::Modified, &change.object),
            (true, false) if change.deleted => (WatchEventKind::Deleted, &change.object),
            // Left the selection: the object as it was when it still matched, at the revision of the change.
            (true, false) => (WatchEventKind::Deleted, change.departed()?),
            (false, false) => return None,
        };
        Some(Event { kind, object: Arc::clone(object) })
    }

    /// Takes over what has been committed since, at most [`WATCH_BUFFER`] events; an `Error` event if that is no longer known.
    fn collect(&mut self) {
        let inner = Arc::clone(&self.inner);
        let state = inner.lock();
        let now = state.store.revision();
        let Some(collection) = state.store.collection(&self.kind.key) else { return };
        match collection.since(self.revision) {
            Ok(changes) => {
                for change in changes {
                    if self.pending.len() >= WATCH_BUFFER {
                        return;
                    }
                    self.revision = change.revision;
                    let event = self.event(change);
                    self.hold(event);
                }
                self.revision = self.revision.max(now);
            }
            Err(status) => {
                self.hold([error(&status)]);
                self.done = true;
            }
        }
    }

    fn hold(&mut self, events: impl IntoIterator<Item = Event>) {
        let before = self.pending.len();
        self.pending.extend(events);
        self.inner.buffered.fetch_add(self.pending.len() - before, Ordering::Relaxed);
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.pending.pop_front()?;
        self.inner.buffered.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }

    fn bookmark(&self, initial_end: bool) -> Event {
        let mut metadata = json!({ "resourceVersion": self.revision.to_string(), "creationTimestamp": null });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({ "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata });
        Event { kind: WatchEventKind::Bookmark, object: Object::new(object) }
    }

    /// The next event; None when the watch is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take() {
                return Some(event);
            }
            if self.done {
                return None;
            }
            self.signal.mark_seen();
            self.collect();
            if !self.pending.is_empty() || self.done {
                continue;
            }
            if self.inner.is_shut() || self.ends.is_some_and(|it| it <= Instant::now()) {
                self.done = true;
                if self.options.allow_bookmarks {
                    return Some(self.bookmark(false));
                }
                return None;
            }
            if let Some(event) = self.wait().await {
                return Some(event);
            }
        }
    }

    /// Waits for a change, the end or the time of a bookmark, whichever comes first.
    async fn wait(&mut self) -> Option<Event> {
        let bookmark = self.options.allow_bookmarks.then_some(self.next_bookmark);
        let until = [bookmark, self.ends].into_iter().flatten().min();
        let Some(until) = until else {
            // The sender lives as long as `inner`, so this waits for a change and cannot fail.
            self.signal.raised().await;
            return None;
        };
        let woken = tokio::time::timeout_at(until, self.signal.raised()).await;
        if woken.is_err() && bookmark == Some(until) && self.ends != Some(until) {
            self.next_bookmark = until + BOOKMARK_EVERY;
            return Some(self.bookmark(false));
        }
        None
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner.buffered.fetch_sub(self.pending.len(), Ordering::Relaxed);
    }
}

fn error(status: &Status) -> Event {
    Event { kind: WatchEventKind::Error, object: Object::new(status.to_value()) }
}

/// Opens a watch. Too old a revision is told by the first event, as the real server does, not by an error here.
pub(super) fn open(
    inner: &Arc<Inner>,
    kind: Arc<Kind>,
    namespace: Option<&str>,
    options: WatchOptions,
) -> BoxStream<'static, Event> {
    let mut state = inner.lock();
    let now = state.store.revision();
    let signal = state.store.collection_mut(&kind.key).signal();
    let from = options.resource_version.filter(|it| *it > 0);
    let synthetic = options.send_initial_events.unwrap_or(from.is_none());
    let mut watcher = Watcher {
        inner: Arc::clone(inner),
        namespace: namespace.filter(|_| kind.namespaced).map(str::to_owned),
        revision: if synthetic { now } else { from.unwrap_or(now) },
        pending: VecDeque::new(),
        signal,
        ends: options.timeout.map(|it| Instant::now() + it),
        next_bookmark: Instant::now() + BOOKMARK_EVERY,
        done: false,
        kind,
        options,
    };
    if synthetic {
        let namespace = watcher.namespace.clone();
        let collection = state.store.collection_mut(&watcher.kind.key);
        let present: Vec<_> = collection.iter(namespace.as_deref()).filter(|it| watcher.selects(it)).cloned().collect();
        watcher.hold(present.into_iter().map(|object| Event { kind: WatchEventKind::Added, object }));
        if watcher.options.send_initial_events == Some(true) && watcher.options.allow_bookmarks {
            let bookmark = watcher.bookmark(true);
            watcher.hold([bookmark]);
        }
    }
    drop(state);
    // Boxed, because it moves with every event.
    let watcher = Box::new(watcher);
    stream::unfold(watcher, |mut watcher| async move { watcher.next().await.map(|event| (event, watcher)) }).boxed()
}
