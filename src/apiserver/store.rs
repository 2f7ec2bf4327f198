//! The store: objects by kind, one global revision, and the changes of late for watches and consistent pages.

use super::kinds::Kinds;
use super::object::Object;
use super::status::Status;
use super::table::{self, Cell};
use crate::sys::signal::{Signal, Waiter};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

/// Changes kept per kind. A watch or a page that asks for an older revision gets 410 and lists again.
pub const WATCH_HISTORY: usize = 4096;

/// While no more objects than these are there, all of them stay decoded; where there are more, those that are not used rest
/// as JSON (see [`Object`]). The labs of scenarios stay below it.
pub const ALWAYS_DECODED: usize = 1024;
/// Writes between two looks for objects that can rest. At most so many more than [`ALWAYS_DECODED`] are decoded, beside those
/// in use.
const REST_EVERY: u64 = 256;

/// One committed change.
#[derive(Debug)]
pub struct Change {
    pub revision: u64,
    /// The object before, None if the change created it.
    pub before: Option<Arc<Object>>,
    /// The object after; if deleted, its last state with the revision of the deletion.
    pub object: Arc<Object>,
    pub deleted: bool,
    /// For watches whose selection the object left: made once for all of them.
    departed: OnceLock<Arc<Object>>,
}

impl Change {
    fn new(revision: u64, before: Option<Arc<Object>>, object: Arc<Object>) -> Self {
        Self { revision, before, object, deleted: false, departed: OnceLock::new() }
    }

    /// The object as it was before, at the revision of the change.
    pub fn departed(&self) -> Option<&Arc<Object>> {
        let before = self.before.as_ref()?;
        Some(self.departed.get_or_init(|| {
            let mut last = (*before.glance()).clone();
            stamp(&mut last, self.revision);
            Object::new(last)
        }))
    }
}

/// What the server keeps, counted; for those who watch over its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Objects that are there.
    pub objects: usize,
    /// Changes kept for watches and pages, of all kinds.
    pub changes: usize,
    /// Objects and former versions that are held decoded.
    pub decoded: usize,
    /// Events that watches hold for clients that have not taken them yet.
    pub buffered: usize,
}

/// Objects of one namespace by name. Cluster-scoped kinds live in the namespace "".
type ByName = BTreeMap<Box<str>, Arc<Object>>;

/// All objects of one kind and what happened to them of late.
#[derive(Debug)]
pub struct Collection {
    objects: BTreeMap<Box<str>, ByName>,
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
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(namespace)?.get(name)
    }

    /// Objects in the order of namespace and name.
    pub fn iter<'a>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = &'a Arc<Object>> {
        let bounds = match namespace {
            Some(one) => (Bound::Included(one), Bound::Included(one)),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        self.objects.range::<str, _>(bounds).flat_map(|(_, names)| names.values())
    }

    /// Former versions of the objects, each once.
    fn former(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.history.iter().flat_map(|it| {
            let last = it.deleted.then_some(&it.object);
            it.before.iter().chain(last).chain(it.departed.get())
        })
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
    pub fn at(&self, revision: u64, namespace: Option<&str>) -> Option<Vec<Arc<Object>>> {
        let later: Vec<_> = self.since(revision).ok()?.collect();
        let mut objects: BTreeMap<(&str, &str), Arc<Object>> =
            self.iter(namespace).map(|it| (it.key(), Arc::clone(it))).collect();
        for change in later.into_iter().rev() {
            let key = change.object.key();
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

/// Namespace and name of an object.
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
    /// How many objects are there.
    objects: usize,
    writes: u64,
    /// The columns of the kinds whose objects rest with their rows.
    columns: BTreeMap<String, Vec<Cell>>,
}

impl Store {
    /// An empty store. Objects of the built-in ones of these kinds are ready to be shown in tables while they rest.
    pub fn new(kinds: &Kinds) -> Self {
        let built_in = kinds.iter().filter(|it| !it.custom);
        let columns = built_in.map(|it| (it.key.clone(), table::cells(&it.key))).collect();
        // An empty etcd stands at revision 1: a list never has resourceVersion 0, which has a meaning of its own.
        let (revision, history_limit) = (1, WATCH_HISTORY);
        Self { collections: BTreeMap::new(), revision, history_limit, objects: 0, writes: 0, columns }
    }

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

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.collections.get(resource)?.get(namespace, name)
    }

    /// Commits an object under the next revision, which it then carries.
    pub fn put(&mut self, resource: &str, mut object: Value) -> Arc<Object> {
        self.revision += 1;
        let (revision, limit) = (self.revision, self.history_limit);
        stamp(&mut object, revision);
        let object = Object::new(object);
        let (namespace, name) = object.key();
        let collection = self.collection_mut(resource);
        if !collection.objects.contains_key(namespace) {
            collection.objects.insert(Box::from(namespace), ByName::new());
        }
        let names = collection.objects.get_mut(namespace).expect("it was inserted above");
        let before = names.insert(Box::from(name), Arc::clone(&object));
        let is_new = before.is_none();
        collection.record(Change::new(revision, before, Arc::clone(&object)), limit);
        collection.signal.raise();
        self.objects += usize::from(is_new);
        self.rest();
        object
    }

    /// Removes an object under the next revision; the answer is its last state, which carries that revision.
    pub fn remove(&mut self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let (next, limit) = (self.revision + 1, self.history_limit);
        let collection = self.collections.get_mut(resource)?;
        let names = collection.objects.get_mut(namespace)?;
        let before = names.remove(name)?;
        if names.is_empty() {
            collection.objects.remove(namespace);
        }
        let mut last = (*before.glance()).clone();
        stamp(&mut last, next);
        let object = Object::new(last);
        let change = Change { deleted: true, ..Change::new(next, Some(before), Arc::clone(&object)) };
        collection.record(change, limit);
        collection.signal.raise();
        self.revision = next;
        self.objects -= 1;
        self.rest();
        Some(object)
    }

    /// Now and then, where many objects are: lets those rest that nobody uses.
    fn rest(&mut self) {
        self.writes += 1;
        if self.objects > ALWAYS_DECODED && self.writes.is_multiple_of(REST_EVERY) {
            for (resource, collection) in &self.collections {
                collection.former().for_each(|it| it.rest(None));
                let columns = self.columns.get(resource).map(Vec::as_slice);
                collection.iter(None).for_each(|it| it.rest(columns));
            }
        }
    }

    /// What is kept, counted; without what watches hold.
    pub fn footprint(&self) -> Footprint {
        let versions = self.collections.values().flat_map(|it| it.iter(None).chain(it.former()));
        Footprint {
            objects: self.objects,
            changes: self.collections.values().map(|it| it.history.len()).sum(),
            decoded: versions.filter(|it| it.is_decoded()).count(),
            buffered: 0,
        }
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
