//! The embedded API as this station uses it: the few verbs, and one way to follow a kind.

use super::queue::{Key, Queue};
use crate::apiserver::{
    Api, DeleteOptions, LabelSelector, ListOptions, PatchKind, Preconditions, Status, Target, WatchEventKind,
    WatchOptions, WriteOptions,
};
use crate::workload::json::{name, namespace, uid};
use futures_util::StreamExt;
use serde_json::Value;
use std::sync::Arc;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    api: Api,
    /// Writes carry a name of their own, so that server-side apply can tell controllers from people.
    options: WriteOptions,
}

impl Client {
    pub(super) fn new(api: Api, manager: &str) -> Self {
        Self { api, options: WriteOptions { field_manager: manager.to_owned(), ..WriteOptions::default() } }
    }

    /// The object, or none when it is not there.
    pub(super) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.api.get(resource, namespace, name).ok()
    }

    /// The objects of one namespace, or of all.
    pub(super) fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.api.list(resource, namespace, &ListOptions::default()).map(|it| it.items).unwrap_or_default()
    }

    /// The objects of one namespace that a selector in text form (`a=b,c in (d)`) matches; none when it is no selector.
    pub(super) fn selected(&self, resource: &str, namespace: &str, selector: &str) -> Vec<Arc<Value>> {
        let Ok(selector) = LabelSelector::parse(selector) else { return Vec::new() };
        let options = ListOptions { label_selector: Some(selector), ..ListOptions::default() };
        self.api.list(resource, Some(namespace), &options).map(|it| it.items).unwrap_or_default()
    }

    pub(super) fn create(&self, resource: &str, namespace: &str, object: Value) -> Result<Arc<Value>, Status> {
        self.api.create_with(resource, namespace, object, &self.options)
    }

    /// Merge patch of the object.
    pub(super) fn patch(&self, resource: &str, key: &Key, body: Value) -> Result<Arc<Value>, Status> {
        self.merge(&Target::new(resource, &key.namespace, &key.name), body)
    }

    /// Merge patch of the object's status.
    pub(super) fn patch_status(&self, resource: &str, key: &Key, status: &Value) -> Result<Arc<Value>, Status> {
        let target = Target::new(resource, &key.namespace, &key.name).status();
        self.merge(&target, serde_json::json!({ "status": status }))
    }

    /// Replaces `spec.replicas` through the scale subresource.
    pub(super) fn scale(&self, resource: &str, key: &Key, replicas: i64) -> Result<Arc<Value>, Status> {
        let target = Target::new(resource, &key.namespace, &key.name).scale();
        self.merge(&target, serde_json::json!({ "spec": { "replicas": replicas } }))
    }

    fn merge(&self, target: &Target<'_>, body: Value) -> Result<Arc<Value>, Status> {
        self.api.patch_with(target, &PatchKind::Merge, body, &self.options).map(|(object, _)| object)
    }

    /// The object's scale, `autoscaling/v1`.
    pub(super) fn get_scale(&self, resource: &str, key: &Key) -> Result<Arc<Value>, Status> {
        self.api.get_part(&Target::new(resource, &key.namespace, &key.name).scale())
    }

    /// `deployments.apps` for `apps/v1` and `Deployment`.
    pub(super) fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        self.api.resource_of(api_version, kind)
    }

    /// Deletes the object if it is still the one with this uid. Pods get their own grace period.
    pub(super) fn delete(&self, resource: &str, object: &Value) -> Result<Arc<Value>, Status> {
        self.delete_with(resource, object, None)
    }

    /// The kubelet's delete: the pod is gone afterwards.
    pub(super) fn delete_now(&self, resource: &str, object: &Value) -> Result<Arc<Value>, Status> {
        self.delete_with(resource, object, Some(0))
    }

    fn delete_with(&self, resource: &str, object: &Value, grace: Option<i64>) -> Result<Arc<Value>, Status> {
        let options = DeleteOptions {
            preconditions: Preconditions { uid: Some(uid(object).to_owned()), resource_version: None },
            grace_period_seconds: grace,
            ..DeleteOptions::default()
        };
        self.api.delete(resource, namespace(object), name(object), &options)
    }

    /// Follows a kind for ever; returns only when the server ends its watches. After a gap in the history it begins
    /// again: `Seen::Restart`, then each present object.
    pub(super) async fn follow(&self, resource: &'static str, mut on: impl FnMut(Seen<'_>) + Send) {
        loop {
            on(Seen::Restart);
            let Ok(mut events) = self.api.watch(resource, None, WatchOptions::default()) else { return };
            let mut expired = false;
            while let Some(event) = events.next().await {
                match event.kind {
                    WatchEventKind::Added | WatchEventKind::Modified => on(Seen::Present(&event.object)),
                    WatchEventKind::Deleted => on(Seen::Gone(&event.object)),
                    WatchEventKind::Bookmark => {}
                    WatchEventKind::Error => expired = true,
                }
            }
            if !expired {
                return;
            }
            tracing::debug!(resource, "the watch fell behind and starts again");
        }
    }
}

/// What a follower is told.
pub(super) enum Seen<'a> {
    /// What was known may be out of date: the present objects come next.
    Restart,
    Present(&'a Arc<Value>),
    Gone(&'a Arc<Value>),
}

impl Seen<'_> {
    /// The object, wherever it is now.
    pub(super) fn object(&self) -> Option<&Value> {
        match self {
            Self::Restart => None,
            Self::Present(object) | Self::Gone(object) => Some(object),
        }
    }
}

/// The key of an object.
pub(super) fn key(object: &Value) -> Key {
    Key::new(namespace(object), name(object))
}

/// Puts every object of a kind into the queue of its controller.
pub(super) fn add_all(client: &Client, resource: &str, queue: &Queue) {
    for object in client.list(resource, None) {
        queue.add(key(&object));
    }
}
