//! Create.

use super::update::Ownership;
use super::{Write, prepare, update};
use crate::apiserver::kinds::{Kind, resource};
use crate::apiserver::object::Object;
use crate::apiserver::server::State;
use crate::apiserver::status::{Reason, Status};
use crate::apiserver::{crd, defaults, meta};
use serde_json::{Value, json};
use std::sync::Arc;

/// Fields of metadata that only the server sets.
const SERVER_SET: [&str; 5] = ["uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"];

pub(super) fn create(state: &mut State, write: &Write<'_>, object: Value) -> Result<Arc<Object>, Status> {
    let mut object = prepare::decode(write, object)?;
    prepare::place(write, &mut object)?;
    create_owned(state, write, object, Ownership::Update)
}

/// Creates a decoded object, whose fields the writer comes to own.
pub(super) fn create_owned(
    state: &mut State,
    write: &Write<'_>,
    mut object: Value,
    ownership: Ownership,
) -> Result<Arc<Object>, Status> {
    let kind = write.kind;
    if !meta::text(&object, "resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Status::new(500, Reason::Unknown, message));
    }
    name(state, &mut object);
    let name = meta::text(&object, "name").to_owned();
    prepare::check_namespace(state, kind, write.target.namespace, &name)?;
    for key in SERVER_SET {
        meta::of(&mut object).remove(key);
    }
    let (uid, now) = (state.uid(), state.now());
    meta::set(&mut object, "uid", uid);
    meta::set(&mut object, "creationTimestamp", now);
    meta::of(&mut object).remove("generation");
    if kind.generation {
        meta::set(&mut object, "generation", 1);
    }
    // A kubelet brings its node's status along.
    if kind.storage().status
        && kind.key != resource::NODES
        && let Some(root) = object.as_object_mut()
    {
        root.shift_remove("status");
    }
    prepare::fill(kind, &mut object);
    prepare::check(kind, &object, None)?;
    if let Some(there) = state.store.get(&kind.key, write.target.namespace, &name) {
        let mut status = Status::already_exists(&kind.plural, &kind.group, &name);
        if meta::is_terminating(&there.value()) {
            status.message = format!("object is being deleted: {}", status.message);
        }
        return Err(status);
    }
    meta::of(&mut object).shift_remove("managedFields");
    update::own(write, (&json!({ "metadata": {} }), &mut object), ownership, &state.now())?;
    prepare::admit(kind, &mut object);
    complete(state, kind, &mut object)?;
    Ok(prepare::commit(state, write, object))
}

/// What depends on the server's state: addresses, the first status.
fn complete(state: &mut State, kind: &Kind, object: &mut Value) -> Result<(), Status> {
    if kind.key == resource::SERVICES {
        state.addresses.assign(object)?;
    }
    if kind.key == resource::NAMESPACES {
        object["spec"] = json!({ "finalizers": ["kubernetes"] });
    }
    let status = match kind.key.as_str() {
        resource::CUSTOM_RESOURCE_DEFINITIONS => Some(crd::status(object, &state.kinds, &state.now())),
        key => defaults::initial_status(key, object),
    };
    if let (Some(mut status), Some(root)) = (status, object.as_object_mut()) {
        if kind.key == resource::PERSISTENT_VOLUMES {
            status["lastPhaseTransitionTime"] = json!(state.now());
        }
        root.insert("status".to_owned(), status);
    }
    Ok(())
}

fn name(state: &mut State, object: &mut Value) {
    let base = meta::text(object, "generateName").to_owned();
    if meta::text(object, "name").is_empty() && !base.is_empty() {
        // Room for the suffix within the 63 bytes that a name may always have.
        let base: String = base.chars().take(58).collect();
        let name = format!("{base}{}", state.suffix());
        meta::set(object, "name", name);
    }
}
