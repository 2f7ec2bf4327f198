//! The verbs. The HTTP handlers and everyone in process call these; there is no other way to the store.

mod autoscaler;
mod create;
mod delete;
mod events;
mod patch;
mod prepare;
mod read;
mod scale;
mod update;
mod version;

pub(super) use delete::{FOREGROUND, ORPHAN, marked};
pub(super) use prepare::check_subresource;
pub use read::{List, Page};
pub(super) use version::{check_applied, kept_as, spoken, text_at_version, to_storage, write_at_version};

use super::kinds::{Kind, Version};
use super::object::Object;
use super::options::{DeleteOptions, ListOptions, PatchKind, Subresource, Target, WatchOptions, WriteOptions};
use super::server::{Inner, State};
use super::status::Status;
use super::watch::{self, Event, WatchEvent, WatchStream};
use futures_util::stream::{BoxStream, StreamExt};
use serde_json::Value;
use std::sync::{Arc, MutexGuard};

/// The verbs, under one field manager. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
    manager: Arc<str>,
}

/// One write on its way: to which kind, by whom, how.
struct Write<'a> {
    kind: &'a Kind,
    target: Target<'a>,
    options: &'a WriteOptions,
    manager: &'a str,
}

impl Write<'_> {
    /// The version in which the object or the patch is written.
    fn version(&self) -> &Version {
        self.kind.version(self.options.version).unwrap_or_else(|| self.kind.storage())
    }
}

impl Api {
    pub(super) fn new(inner: Arc<Inner>, manager: &str) -> Self {
        Self { inner, manager: Arc::from(manager) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock()
    }

    /// The kind behind a resource, as it is now.
    pub fn kind(&self, resource: &str) -> Result<Arc<Kind>, Status> {
        self.lock().kinds.get(resource)
    }

    /// The resource (`deployments.apps`) of a kind that objects name as `apiVersion` and `kind`.
    pub fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        self.lock().kinds.of(api_version, kind).map(|it| it.key.clone())
    }

    /// One object.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Arc<Value>, Status> {
        let state = self.lock();
        let kind = state.kinds.get(resource)?;
        state.store.get(&kind.key, namespace, name).map(|it| it.value()).ok_or_else(|| kind.not_found(name))
    }

    /// One object or a part of it: the scale is an object of its own, `autoscaling/v1 Scale`.
    pub fn get_part(&self, target: &Target<'_>) -> Result<Arc<Value>, Status> {
        self.part(target).map(|it| it.value())
    }

    pub(super) fn part(&self, target: &Target<'_>) -> Result<Arc<Object>, Status> {
        let state = self.lock();
        let kind = state.kinds.get(target.resource)?;
        prepare::check_subresource(&kind, target.subresource)?;
        let found = state.store.get(&kind.key, target.namespace, target.name);
        let object = found.ok_or_else(|| kind.not_found(target.name))?;
        Ok(scale::view(&kind, target.subresource, object))
    }

    /// The objects of a kind, in one namespace or in all.
    pub fn list(&self, resource: &str, namespace: Option<&str>, options: &ListOptions) -> Result<List, Status> {
        self.page(resource, namespace, options).map(Page::decoded)
    }

    pub(super) fn page(&self, resource: &str, namespace: Option<&str>, options: &ListOptions) -> Result<Page, Status> {
        let state = self.lock();
        let kind = state.kinds.get(resource)?;
        read::list(&state, &kind, namespace, options)
    }

    /// Changes as they happen. A revision that is too old is told by an `Error` event.
    pub fn watch(&self, resource: &str, namespace: Option<&str>, options: WatchOptions) -> Result<WatchStream, Status> {
        self.changes(resource, namespace, options).map(|it| it.map(WatchEvent::from).boxed())
    }

    pub(super) fn changes(
        &self,
        resource: &str,
        namespace: Option<&str>,
        options: WatchOptions,
    ) -> Result<BoxStream<'static, Event>, Status> {
        let kind = self.kind(resource)?;
        if let Some(selector) = &options.field_selector {
            selector.check(&kind.key, kind.custom)?;
        }
        Ok(watch::open(&self.inner, kind, namespace, options))
    }

    /// Creates an object; a missing `apiVersion`, `kind` or namespace is filled in.
    pub fn create(&self, resource: &str, namespace: &str, object: Value) -> Result<Arc<Value>, Status> {
        self.create_with(resource, namespace, object, &WriteOptions::default())
    }

    pub fn create_with(
        &self,
        resource: &str,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Value>, Status> {
        self.created(resource, namespace, object, options).map(|it| it.value())
    }

    pub(super) fn created(
        &self,
        resource: &str,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Object>, Status> {
        let mut state = self.lock();
        let kind = state.kinds.get(resource)?;
        let target = Target::new(resource, namespace, "");
        create::create(&mut state, &self.write(&kind, target, options), object)
    }

    /// Replaces an object; namespace and name are those of the object. With a `resourceVersion` it must be the current one.
    pub fn update(&self, resource: &str, object: Value) -> Result<Arc<Value>, Status> {
        self.replace(resource, object, Subresource::Main)
    }

    /// Replaces the status of an object and nothing else.
    pub fn update_status(&self, resource: &str, object: Value) -> Result<Arc<Value>, Status> {
        self.replace(resource, object, Subresource::Status)
    }

    fn replace(&self, resource: &str, object: Value, subresource: Subresource) -> Result<Arc<Value>, Status> {
        let (namespace, name) = super::store::key_of(&object);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let target = Target { subresource, ..Target::new(resource, &namespace, &name) };
        self.update_with(&target, object, &WriteOptions::default())
    }

    pub fn update_with(
        &self,
        target: &Target<'_>,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Value>, Status> {
        self.updated(target, object, options).map(|it| it.value())
    }

    pub(super) fn updated(
        &self,
        target: &Target<'_>,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Arc<Object>, Status> {
        let mut state = self.lock();
        let kind = state.kinds.get(target.resource)?;
        update::update(&mut state, &self.write(&kind, *target, options), object)
    }

    /// Patches an object or a part of it.
    pub fn patch(&self, target: &Target<'_>, patch: &PatchKind, body: Value) -> Result<Arc<Value>, Status> {
        self.patch_with(target, patch, body, &WriteOptions::default()).map(|(object, _)| object)
    }

    /// Patches; also tells whether the object was created (server-side apply).
    pub fn patch_with(
        &self,
        target: &Target<'_>,
        patch: &PatchKind,
        body: Value,
        options: &WriteOptions,
    ) -> Result<(Arc<Value>, bool), Status> {
        self.patched(target, patch, body, options).map(|(object, created)| (object.value(), created))
    }

    pub(super) fn patched(
        &self,
        target: &Target<'_>,
        patch: &PatchKind,
        body: Value,
        options: &WriteOptions,
    ) -> Result<(Arc<Object>, bool), Status> {
        let mut state = self.lock();
        let kind = state.kinds.get(target.resource)?;
        patch::patch(&mut state, &self.write(&kind, *target, options), patch, body)
    }

    /// Deletes an object. The answer is the object: as it was last, or waiting for finalizers or its grace period.
    pub fn delete(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Status> {
        self.deleted(resource, (namespace, name), options).map(|it| it.value())
    }

    pub(super) fn deleted(
        &self,
        resource: &str,
        (namespace, name): (&str, &str),
        options: &DeleteOptions,
    ) -> Result<Arc<Object>, Status> {
        let mut state = self.lock();
        let kind = state.kinds.get(resource)?;
        delete::delete(&mut state, &kind, (namespace, name), options)
    }

    /// Deletes what a list with these options would show.
    pub fn delete_collection(
        &self,
        resource: &str,
        namespace: Option<&str>,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<List, Status> {
        self.deleted_collection(resource, namespace, list, options).map(Page::decoded)
    }

    pub(super) fn deleted_collection(
        &self,
        resource: &str,
        namespace: Option<&str>,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Page, Status> {
        let mut state = self.lock();
        let kind = state.kinds.get(resource)?;
        let found = read::list(&state, &kind, namespace, list)?;
        for object in &found.objects {
            match delete::delete(&mut state, &kind, object.key(), options) {
                // Gone with an object deleted before it.
                Err(status) if status.code == 404 => {}
                other => drop(other?),
            }
        }
        Ok(found)
    }

    /// Refuses a revision that is yet to come.
    pub(super) fn check_revision(&self, asked: u64) -> Result<(), Status> {
        let now = self.revision();
        if asked > now { Err(read::too_large(asked, now)) } else { Ok(()) }
    }

    /// The revision of the newest change.
    pub fn revision(&self) -> u64 {
        self.lock().store.revision()
    }

    fn write<'a>(&'a self, kind: &'a Kind, target: Target<'a>, options: &'a WriteOptions) -> Write<'a> {
        let manager = if options.field_manager.is_empty() { &self.manager } else { options.field_manager.as_str() };
        Write { kind, target, options, manager }
    }
}
