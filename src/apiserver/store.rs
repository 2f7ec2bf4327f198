//! The store: objects by kind, one global revision, and the changes of late for watches and consistent pages.

use super::status::Status;
use crate::sys::signal::{Signal, Waiter};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Changes kept per kind. A watch or a page that asks for an older revision gets 410 and lists again.
pub const WATCH_HISTORY: usize = 4096;

/// One committed change.
#[derive(Debug, Clone)]
pub struct Change {
    pub revision: u64,
    /// The object before, None if the change created it.
    pub before: Option<Arc<Value>>,
    /// The object after; if deleted, its last state with the revision of the deletion.
    pub object: Arc<Value>,
    pub deleted: bool,
}

/// Objects of one namespace by name. Cluster-scoped kinds live in the namespace "".
type ByName = BTreeMap<String, Arc<Value>>;

/// All objects of one kind and what happened to them of late.
#[derive(Debug)]
pub struct Collection {
    objects: BTreeMap<String, ByName>,
    history: VecDeque<Change>,
    /// The revision of the newest change that is no longer kept.
    compacted: u64,
    signal: Signal,
}

impl Default for Collection {
    fn default() -> Self {
        let objects = BTreeMap::new();
        Self { objects, history: VecDeque::new(), compacted: 0, signal: Signal::default() }
    }
}

impl Collection {
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(namespace)?.get(name)
    }

    /// Objects in the order of namespace and name.
    pub fn iter<'a>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = &'a Arc<Value>> {
        let spaces = self.objects.iter().filter(move |(space, _)| namespace.is_none_or(|it| it == space.as_str()));
        spaces.flat_map(|(_, names)| names.values())
    }

    /// A receiver that wakes at each change of this kind.
    pub fn signal(&self) -> Waiter {
        self.signal.waiter()
    }

    /// The changes after `revision`, or an error if some of them are no longer kept.
    pub fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Change>, Status> {
        if revision < self.compacted {
            return Err(Status::expired(format!("too old resource version: {revision} ({})", self.compacted)));
        }
        let from = self.history.partition_point(|it| it.revision <= revision);
        Ok(self.history.range(from..))
    }

    /// The objects as they were at `revision`, by namespace and name; None if that is no longer known.
    pub fn at(&self, revision: u64, namespace: Option<&str>) -> Option<Vec<Arc<Value>>> {
        let later: Vec<_> = self.since(revision).ok()?.collect();
        let mut objects: BTreeMap<(&str, &str), Arc<Value>> =
            self.iter(namespace).map(|it| (key_of(it), Arc::clone(it))).collect();
        for change in later.into_iter().rev() {
            let key = key_of(&change.object);
            if namespace.is_some_and(|it| it != key.0) {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(key, Arc::clone(before)),
                None => objects.remove(&key),
            };
        }
        Some(objects.into_values().collect())
    }

    fn record(&mut self, change: Change, limit: usize) {
        self.history.push_back(change);
        while self.history.len() > limit {
            if let Some(dropped) = self.history.pop_front() {
                self.compacted = dropped.revision;
            }
        }
    }
}

/// Namespace and name of a stored object.
pub fn key_of(object: &Value) -> (&str, &str) {
    let metadata = object.get("metadata");
    let text = |key| metadata.and_then(|it| it.get(key)).and_then(Value::as_str).unwrap_or_default();
    (text("namespace"), text("name"))
}

/// All kinds, and the one revision.
#[derive(Debug)]
pub struct Store {
    collections: BTreeMap<String, Collection>,
    revision: u64,
    history_limit: usize,
}

impl Default for Store {
    fn default() -> Self {
        // An empty etcd stands at revision 1: a list never has resourceVersion 0, which has a meaning of its own.
        Self { collections: BTreeMap::new(), revision: 1, history_limit: WATCH_HISTORY }
    }
}

impl Store {
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn set_history_limit(&mut self, limit: usize) {
        self.history_limit = limit;
    }

    pub fn collection(&self, resource: &str) -> Option<&Collection> {
        self.collections.get(resource)
    }

    pub fn collection_mut(&mut self, resource: &str) -> &mut Collection {
        if !self.collections.contains_key(resource) {
            self.collections.insert(resource.to_owned(), Collection::default());
        }
        self.collections.get_mut(resource).expect("it was inserted above")
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.collections.get(resource)?.get(namespace, name)
    }

    /// Commits an object under the next revision, which it then carries.
    pub fn put(&mut self, resource: &str, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        let (revision, limit) = (self.revision, self.history_limit);
        stamp(&mut object, revision);
        let object = Arc::new(object);
        let (namespace, name) = key_of(&object);
        let collection = self.collection_mut(resource);
        let names = collection.objects.entry(namespace.to_owned()).or_default();
        let before = names.insert(name.to_owned(), Arc::clone(&object));
        collection.record(Change { revision, before, object: Arc::clone(&object), deleted: false }, limit);
        collection.signal.raise();
        object
    }

    /// Removes an object under the next revision; the answer is its last state, which carries that revision.
    pub fn remove(&mut self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let (next, limit) = (self.revision + 1, self.history_limit);
        let collection = self.collections.get_mut(resource)?;
        let names = collection.objects.get_mut(namespace)?;
        let before = names.remove(name)?;
        if names.is_empty() {
            collection.objects.remove(namespace);
        }
        let mut last = (*before).clone();
        stamp(&mut last, next);
        let object = Arc::new(last);
        let change = Change { revision: next, before: Some(before), object: Arc::clone(&object), deleted: true };
        collection.record(change, limit);
        collection.signal.raise();
        self.revision = next;
        Some(object)
    }

    /// Forgets the changes so far, as etcd's compaction does: older watches get 410.
    pub fn compact(&mut self) {
        let revision = self.revision;
        for collection in self.collections.values_mut() {
            collection.history.clear();
            collection.compacted = revision;
        }
    }

    /// Wakes every watch, for the end of the server.
    pub fn wake_all(&self) {
        for collection in self.collections.values() {
            collection.signal.raise();
        }
    }
}

fn stamp(object: &mut Value, revision: u64) {
    object["metadata"]["resourceVersion"] = Value::String(revision.to_string());
}
