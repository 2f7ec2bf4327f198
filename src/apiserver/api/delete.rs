//! Delete: at once, after a grace period, after finalizers, with or without the dependents.

use crate::apiserver::kinds::{Kind, resource};
use crate::apiserver::meta;
use crate::apiserver::object::Object;
use crate::apiserver::options::{DeleteOptions, Propagation};
use crate::apiserver::server::State;
use crate::apiserver::status::Status;
use crate::model::object::At;
use serde_json::{Value, json};
use std::sync::Arc;

/// The finalizers that stand for the propagation.
pub const FOREGROUND: &str = "foregroundDeletion";
pub const ORPHAN: &str = "orphan";
/// Namespaces that stay.
const PERMANENT: [&str; 3] = ["default", "kube-system", "kube-public"];
/// Seconds a pod gets that does not say otherwise.
const DEFAULT_GRACE_SECONDS: i64 = 30;

pub(super) fn delete(
    state: &mut State,
    kind: &Kind,
    (namespace, name): (&str, &str),
    options: &DeleteOptions,
) -> Result<Arc<Object>, Status> {
    let stored = state.store.get(&kind.key, namespace, name).cloned().ok_or_else(|| kind.not_found(name))?;
    let current = stored.value();
    check_preconditions(kind, &current, options)?;
    if options.dry_run {
        return Ok(stored);
    }
    if kind.key == resource::NAMESPACES && PERMANENT.contains(&name) {
        return Err(Status::forbidden(&kind.plural, &kind.group, name, "this namespace may not be deleted"));
    }
    let Some(object) = waiting(state, kind, &current, options) else {
        let last = state.remove(&kind.key, &stored);
        if !kind.graceful() {
            return Ok(last);
        }
        // Its deletion has both begun and ended: the answer shows the mark that was never stored.
        let mut shown = (*last.value()).clone();
        mark(state, &mut shown, kind, 0);
        return Ok(Object::new(shown));
    };
    if object == *current {
        return Ok(stored);
    }
    let stored = state.store.put(&kind.key, object);
    state.after_write(&kind.key, &stored.value());
    Ok(stored)
}

/// The object marked for deletion; None if nothing keeps it from going at once.
fn waiting(state: &State, kind: &Kind, current: &Value, options: &DeleteOptions) -> Option<Value> {
    let grace = grace_seconds(kind, current, options);
    let mut object = current.clone();
    match options.propagation {
        Some(Propagation::Foreground) => meta::add_finalizer(&mut object, FOREGROUND),
        Some(Propagation::Orphan) => meta::add_finalizer(&mut object, ORPHAN),
        Some(Propagation::Background) => {
            meta::remove_finalizer(&mut object, FOREGROUND);
            meta::remove_finalizer(&mut object, ORPHAN);
        }
        None => {}
    }
    if !meta::has_finalizers(&object) && grace == 0 && kind.key != resource::NAMESPACES {
        return None;
    }
    mark(state, &mut object, kind, grace);
    Some(object)
}

/// What garbage collection does to an object: the same, with the propagation it decides on.
pub fn marked(state: &State, kind: &Kind, object: &Value, foreground: bool) -> Option<Value> {
    let propagation = foreground.then_some(Propagation::Foreground);
    waiting(state, kind, object, &DeleteOptions { propagation, ..DeleteOptions::default() })
}

fn check_preconditions(kind: &Kind, current: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let name = meta::text(current, "name");
    // The real server names the kind here, not the resource.
    let conflict = |why: String| Err(Status::conflict(&kind.kind, &kind.group, name, &why));
    if let Some(uid) = &options.preconditions.uid {
        let found = meta::text(current, "uid");
        if uid != found {
            return conflict(format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have been \
                 deleted and then recreated"
            ));
        }
    }
    if let Some(version) = &options.preconditions.resource_version {
        let found = meta::text(current, "resourceVersion");
        if version != found {
            return conflict(format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record \
                 ({found}). The object might have been modified"
            ));
        }
    }
    Ok(())
}

/// Only pods have a grace period; one that never ran (no node) has none.
fn grace_seconds(kind: &Kind, object: &Value, options: &DeleteOptions) -> i64 {
    if !kind.graceful() {
        return 0;
    }
    let bound = object.at("/spec/nodeName").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let over = matches!(object.at("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if !bound || over {
        return 0;
    }
    let own = object.at("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    options.grace_period_seconds.or(own).unwrap_or(DEFAULT_GRACE_SECONDS).max(0)
}

/// Sets `deletionTimestamp`, which is the time by which the object is gone. A second delete can only shorten the period.
fn mark(state: &State, object: &mut Value, kind: &Kind, grace: i64) {
    let before = object.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    if meta::is_terminating(object) && before.is_none_or(|it| it <= grace) {
        return;
    }
    let wait = std::time::Duration::from_secs(grace.unsigned_abs());
    let at = state.clock.stamp(state.clock.elapsed() + wait);
    meta::set(object, "deletionTimestamp", crate::sys::clock::rfc3339(at));
    meta::set(object, "deletionGracePeriodSeconds", grace);
    if kind.generation
        && let Some(generation) = object.at("/metadata/generation").and_then(Value::as_i64)
        && before.is_none()
    {
        meta::set(object, "generation", generation + 1);
    }
    if kind.key == resource::NAMESPACES {
        meta::of(object).shift_remove("deletionGracePeriodSeconds");
        object["status"] = json!({ "phase": "Terminating" });
    }
}
