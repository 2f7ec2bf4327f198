//! Watches: the changes of one kind, as they are committed, filtered by selectors.

use super::kinds::Kind;
use super::options::WatchOptions;
use super::server::Inner;
use super::status::Status;
use super::store::Change;
use crate::sys::signal::Waiter;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a bookmark is sent to those who asked for bookmarks; the real watch cache does it about once a minute.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

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

/// The events of one watch, in the order of their revisions.
pub type WatchStream = BoxStream<'static, WatchEvent>;

struct Watcher {
    inner: Arc<Inner>,
    kind: Arc<Kind>,
    namespace: Option<String>,
    options: WatchOptions,
    /// Everything up to here has been seen.
    revision: u64,
    pending: VecDeque<WatchEvent>,
    signal: Waiter,
    ends: Option<Instant>,
    next_bookmark: Instant,
    done: bool,
}

impl Watcher {
    fn selects(&self, object: &Value) -> bool {
        self.options.label_selector.as_ref().is_none_or(|it| it.matches_object(object))
            && self.options.field_selector.as_ref().is_none_or(|it| it.matches(object))
    }

    /// The event of a change as this watch sees it: an object that begins to match appears, one that ceases to disappears.
    fn event(&self, change: &Change) -> Option<WatchEvent> {
        if let Some(namespace) = &self.namespace
            && super::store::key_of(&change.object).0 != namespace
        {
            return None;
        }
        let before = change.before.as_ref().is_some_and(|it| self.selects(it));
        let after = !change.deleted && self.selects(&change.object);
        let kind = match (before, after) {
            (false, true) => WatchEventKind::Added,
            (true, true) => WatchEventKind::Modified,
            (true, false) => WatchEventKind::Deleted,
            (false, false) => return None,
        };
        let object = match (&change.before, kind == WatchEventKind::Deleted && !change.deleted) {
            // Left the selection: the object as it was when it still matched, at the revision of the change.
            (Some(before), true) => {
                let mut last = (**before).clone();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                Arc::new(last)
            }
            _ => Arc::clone(&change.object),
        };
        Some(WatchEvent { kind, object })
    }

    /// Takes over what has been committed since; an `Error` event if that is no longer known.
    fn collect(&mut self) {
        let inner = Arc::clone(&self.inner);
        let state = inner.lock();
        let now = state.store.revision();
        let Some(collection) = state.store.collection(&self.kind.key) else { return };
        match collection.since(self.revision) {
            Ok(changes) => {
                let events: Vec<_> = changes.filter_map(|it| self.event(it)).collect();
                self.pending.extend(events);
                self.revision = self.revision.max(now);
            }
            Err(status) => {
                self.pending.push_back(error(&status));
                self.done = true;
            }
        }
    }

    fn bookmark(&self, initial_end: bool) -> WatchEvent {
        let mut metadata = json!({ "resourceVersion": self.revision.to_string(), "creationTimestamp": null });
        if initial_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({ "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata });
        WatchEvent { kind: WatchEventKind::Bookmark, object: Arc::new(object) }
    }

    /// The next event; None when the watch is over.
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
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
    async fn wait(&mut self) -> Option<WatchEvent> {
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

fn error(status: &Status) -> WatchEvent {
    WatchEvent { kind: WatchEventKind::Error, object: Arc::new(status.to_value()) }
}

/// Opens a watch. Too old a revision is told by the first event, as the real server does, not by an error here.
pub(super) fn open(inner: &Arc<Inner>, kind: Arc<Kind>, namespace: Option<&str>, options: WatchOptions) -> WatchStream {
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
        watcher.pending =
            present.into_iter().map(|object| WatchEvent { kind: WatchEventKind::Added, object }).collect();
        if watcher.options.send_initial_events == Some(true) && watcher.options.allow_bookmarks {
            let bookmark = watcher.bookmark(true);
            watcher.pending.push_back(bookmark);
        }
    }
    drop(state);
    stream::unfold(watcher, |mut watcher| async move { watcher.next().await.map(|event| (event, watcher)) }).boxed()
}
