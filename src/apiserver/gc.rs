//! Garbage collection: what follows from a write. Owners, finalizers of the propagation, namespaces.
//!
//! It is done inline and in the order of the store, so that it cannot differ between runs, until nothing is left to do.

mod namespace;

use super::api::{FOREGROUND, ORPHAN};
use super::kinds::resource;
use super::object::Object;
use super::server::State;
use super::store::key_of;
use super::{crd, meta};
use crate::model::object::At;
use namespace::Left;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub resource: String,
    pub namespace: String,
    pub name: String,
}

impl Place {
    fn at(resource: &str, (namespace, name): (&str, &str)) -> Self {
        Self { resource: resource.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub fn of(resource: &str, object: &Value) -> Self {
        let (namespace, name) = key_of(object);
        Self { resource: resource.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl State {
    fn at(&self, place: &Place) -> Option<Arc<Value>> {
        self.store.get(&place.resource, &place.namespace, &place.name).map(|it| it.value())
    }

    /// After a write that left the object there.
    pub fn after_write(&mut self, of: &str, object: &Value) {
        self.index(of, object);
        if of == resource::CUSTOM_RESOURCE_DEFINITIONS
            && crd::is_established(object)
            && let Some(kind) = crd::kind(object)
        {
            self.kinds.insert(kind);
        }
        if meta::is_terminating(object) || meta::owners(object).next().is_some() {
            self.collect(&mut VecDeque::from([Place::of(of, object)]));
        }
    }

    /// Removes an object for good; the answer is its last state.
    pub fn remove(&mut self, resource: &str, object: &Arc<Object>) -> Arc<Object> {
        let mut work = VecDeque::new();
        let last = self.take(&Place::at(resource, object.key()), &mut work);
        self.collect(&mut work);
        last.unwrap_or_else(|| Arc::clone(object))
    }

    /// Removes from the store and notes who is concerned: dependents, owners that waited, the namespace.
    fn take(&mut self, place: &Place, work: &mut VecDeque<Place>) -> Option<Arc<Object>> {
        let object = self.store.remove(&place.resource, &place.namespace, &place.name)?;
        let last = object.value();
        self.forget(place, &last);
        match place.resource.as_str() {
            resource::SERVICES => self.addresses.release(&last),
            resource::CUSTOM_RESOURCE_DEFINITIONS => self.drop_kind(&last, work),
            _ => {}
        }
        let uid = meta::text(&last, "uid");
        work.extend(self.dependents(uid));
        work.extend(meta::owners(&last).filter_map(|(uid, _)| self.by_uid.get(uid).cloned()));
        if !place.namespace.is_empty() {
            work.extend(self.store.get(resource::NAMESPACES, "", &place.namespace).and_then(|namespace| {
                meta::is_terminating(&namespace.value()).then(|| Place::at(resource::NAMESPACES, namespace.key()))
            }));
        }
        Some(object)
    }

    /// With its definition a custom kind goes, and with the kind all its objects.
    fn drop_kind(&mut self, definition: &Value, work: &mut VecDeque<Place>) {
        let Some(kind) = crd::kind(definition) else { return };
        let objects: Vec<_> =
            self.store.collection(&kind.key).into_iter().flat_map(|it| it.iter(None)).cloned().collect();
        for object in objects {
            self.take(&Place::at(&kind.key, object.key()), work);
        }
        self.kinds.remove(&kind.key);
    }

    fn dependents(&self, uid: &str) -> Vec<Place> {
        self.by_owner.get(uid).map(|it| it.iter().cloned().collect()).unwrap_or_default()
    }

    /// Keeps the two indices that garbage collection looks things up in.
    fn index(&mut self, resource: &str, object: &Value) {
        let place = Place::of(resource, object);
        let uid = meta::text(object, "uid");
        if !self.by_uid.contains_key(uid) {
            self.by_uid.insert(uid.to_owned(), place.clone());
        }
        for (owner, _) in meta::owners(object) {
            let places = self.by_owner.entry(owner.to_owned()).or_default();
            if !places.contains(&place) {
                places.insert(place.clone());
            }
        }
    }

    fn forget(&mut self, place: &Place, object: &Value) {
        self.by_uid.remove(meta::text(object, "uid"));
        for (owner, _) in meta::owners(object) {
            if let Some(places) = self.by_owner.get_mut(owner) {
                places.remove(place);
                if places.is_empty() {
                    self.by_owner.remove(owner);
                }
            }
        }
    }

    fn collect(&mut self, work: &mut VecDeque<Place>) {
        while let Some(place) = work.pop_front() {
            let Some(object) = self.at(&place) else { continue };
            self.check_owners(&place, &object, work);
            let Some(object) = self.at(&place) else { continue };
            if !meta::is_terminating(&object) {
                continue;
            }
            self.propagate(&place, &object, work);
            if place.resource == resource::NAMESPACES {
                self.empty_namespace(&place, work);
            }
        }
    }

    /// An object whose owners are all gone is deleted; if only some are, the dangling references are dropped.
    fn check_owners(&mut self, place: &Place, object: &Arc<Value>, work: &mut VecDeque<Place>) {
        let (mut solid, mut dangling) = (0, Vec::new());
        for (uid, _) in meta::owners(object) {
            // An owner that goes in the foreground takes its dependents along.
            match self.by_uid.get(uid).and_then(|it| self.at(it)) {
                Some(owner) if !waits_in_foreground(&owner) => solid += 1,
                _ => dangling.push(uid.to_owned()),
            }
        }
        if dangling.is_empty() {
            return;
        }
        if solid == 0 {
            let foreground = dangling.iter().any(|it| self.by_uid.contains_key(it));
            self.begin_delete(place, object, foreground, work);
            return;
        }
        self.drop_owners(place, object, &dangling);
    }

    fn drop_owners(&mut self, place: &Place, object: &Arc<Value>, gone: &[String]) {
        let mut left = (**object).clone();
        self.unlink(place, gone);
        if let Some(owners) = meta::of(&mut left).get_mut("ownerReferences").and_then(Value::as_array_mut) {
            owners.retain(|it| it.get("uid").and_then(Value::as_str).is_none_or(|uid| gone.iter().all(|it| it != uid)));
            if owners.is_empty() {
                meta::of(&mut left).remove("ownerReferences");
            }
        }
        self.store.put(&place.resource, left);
    }

    fn unlink(&mut self, place: &Place, owners: &[String]) {
        for owner in owners {
            if let Some(places) = self.by_owner.get_mut(owner) {
                places.remove(place);
            }
        }
    }

    /// As a delete request without conditions would: at once, or marked.
    fn begin_delete(&mut self, place: &Place, object: &Arc<Value>, foreground: bool, work: &mut VecDeque<Place>) {
        if meta::is_terminating(object) {
            return;
        }
        let Ok(kind) = self.kinds.get(&place.resource) else { return };
        let foreground = foreground && !self.dependents(meta::text(object, "uid")).is_empty();
        match super::api::marked(self, &kind, object, foreground) {
            None => drop(self.take(place, work)),
            Some(marked) => {
                self.store.put(&place.resource, marked);
                work.push_back(place.clone());
            }
        }
    }

    /// The finalizers `orphan` and `foregroundDeletion`, which are this collector's own.
    fn propagate(&mut self, place: &Place, object: &Arc<Value>, work: &mut VecDeque<Place>) {
        let uid = meta::text(object, "uid").to_owned();
        let dependents = self.dependents(&uid);
        if meta::finalizers(object).any(|it| it == ORPHAN) {
            for dependent in &dependents {
                if let Some(found) = self.at(dependent) {
                    self.drop_owners(dependent, &found, std::slice::from_ref(&uid));
                }
            }
            self.finish(place, object, ORPHAN, work);
        } else if waits_in_foreground(object) {
            let blocks = |state: &Self, it: &Place| {
                state.at(it).is_some_and(|it| meta::owners(&it).any(|(owner, blocks)| blocks && owner == uid))
            };
            let (blocking, free): (Vec<_>, Vec<_>) = dependents.into_iter().partition(|it| blocks(self, it));
            if blocking.is_empty() {
                self.finish(place, object, FOREGROUND, work);
                work.extend(free);
                return;
            }
            for dependent in blocking.iter().chain(&free) {
                if let Some(found) = self.at(dependent) {
                    self.check_owners(dependent, &found, work);
                }
            }
            let left = self.dependents(&uid);
            if !left.iter().any(|it| blocks(self, it)) {
                work.push_back(place.clone());
            }
        }
    }

    /// Takes one finalizer away; the object goes with the last one, unless it still has its grace period.
    fn finish(&mut self, place: &Place, object: &Arc<Value>, finalizer: &str, work: &mut VecDeque<Place>) {
        let mut left = (**object).clone();
        meta::remove_finalizer(&mut left, finalizer);
        let grace = left.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        self.store.put(&place.resource, left.clone());
        if !meta::has_finalizers(&left) && grace == 0 && place.resource != resource::NAMESPACES {
            self.take(place, work);
        }
    }

    /// A namespace takes its content along and goes when nothing is left in it.
    fn empty_namespace(&mut self, place: &Place, work: &mut VecDeque<Place>) {
        let name = place.name.as_str();
        let resources: Vec<String> = self.kinds.iter().filter(|it| it.namespaced).map(|it| it.key.clone()).collect();
        let mut left = Left::default();
        for key in resources {
            let Some(collection) = self.store.collection(&key) else { continue };
            let content: Vec<_> = collection.iter(Some(name)).cloned().collect();
            for object in content {
                let at = Place::at(&key, object.key());
                self.begin_delete(&at, &object.value(), false, work);
                if let Some(object) = self.at(&at) {
                    left.note(&key, &object);
                }
            }
        }
        let Some(namespace) = self.at(place) else { return };
        if left.is_empty() && !meta::has_finalizers(&namespace) {
            self.take(place, work);
        } else if let Some(told) = left.told(&namespace, &self.now()) {
            self.store.put(&place.resource, told);
        }
    }
}

fn waits_in_foreground(object: &Value) -> bool {
    meta::is_terminating(object) && meta::finalizers(object).any(|it| it == FOREGROUND)
}
