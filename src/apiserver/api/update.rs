//! Update: of the whole object, or of a part.

use super::{Write, prepare, scale};
use crate::apiserver::kinds::{Kind, resource};
use crate::apiserver::object::Object;
use crate::apiserver::options::Subresource;
use crate::apiserver::patch::fields::FieldSet;
use crate::apiserver::patch::owners::{Owners, Writer};
use crate::apiserver::server::State;
use crate::apiserver::status::{FieldError, Reason, Status};
use crate::apiserver::{addresses, crd, meta};
use crate::model::object::At;
use serde_json::{Value, json};
use std::sync::Arc;

/// Metadata that an update cannot change.
const KEPT: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"];

pub(super) fn update(state: &mut State, write: &Write<'_>, object: Value) -> Result<Arc<Object>, Status> {
    let target = &write.target;
    prepare::check_subresource(write.kind, target.subresource)?;
    if target.subresource == Subresource::Scale {
        return scale::update(state, write, &object);
    }
    let mut object = prepare::decode(write, object)?;
    prepare::place(write, &mut object)?;
    let found = meta::text(&object, "name");
    if !found.is_empty() && found != target.name {
        let wanted = target.name;
        let message = format!("the name of the object ({found}) does not match the name on the URL ({wanted})");
        return Err(Status::bad_request(message));
    }
    let current = state.store.get(&write.kind.key, target.namespace, target.name).cloned();
    let current = current.ok_or_else(|| write.kind.not_found(target.name))?;
    if write.kind.custom && meta::text(&object, "resourceVersion").is_empty() {
        let error = FieldError::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        return Err(Status::invalid(&write.kind.plural, &write.kind.group, target.name, vec![error]));
    }
    check_version(write.kind, &current.value(), &object)?;
    check_uid(write.kind, &current.value(), &object)?;
    replace(state, write, &current, object, Ownership::Update)
}

/// The optimistic lock: whoever names a version or a uid means that one.
pub(super) fn check_version(kind: &Kind, current: &Value, object: &Value) -> Result<(), Status> {
    let name = meta::text(current, "name");
    let version = meta::text(object, "resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
        return Err(Status::new(500, Reason::Unknown, message));
    }
    if !version.is_empty() && version != meta::text(current, "resourceVersion") {
        return Err(Status::modified(&kind.plural, &kind.group, name));
    }
    Ok(())
}

/// A put that names a uid means that object; the words are those of the store behind the real server.
fn check_uid(kind: &Kind, current: &Value, object: &Value) -> Result<(), Status> {
    let (uid, found) = (meta::text(object, "uid"), meta::text(current, "uid"));
    if uid.is_empty() || uid == found {
        return Ok(());
    }
    let (plural, name) = (&kind.plural, meta::text(current, "name"));
    let key = ["/registry", plural, meta::text(current, "namespace"), name];
    let key: Vec<_> = key.into_iter().filter(|it| !it.is_empty()).collect();
    let key = key.join("/");
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID \
         in precondition: {uid}, UID in object meta: {found}"
    );
    Err(Status::conflict(plural, &kind.group, name, &why))
}

/// Metadata that only the server sets: an update may leave it out or repeat it.
fn check_kept(kind: &Kind, current: &Value, object: &Value) -> Result<(), Status> {
    let fault = |key: &str| {
        let (before, after) = (current["metadata"].get(key), object["metadata"].get(key));
        let changes = after.is_some_and(|it| !it.is_null()) && before != after;
        changes.then(|| FieldError::invalid(format!("metadata.{key}"), &object["metadata"][key], "field is immutable"))
    };
    let mut keys = vec!["uid"];
    if !meta::is_terminating(current) {
        keys.extend(["deletionTimestamp", "deletionGracePeriodSeconds"]);
    }
    let errors: Vec<_> = keys.into_iter().filter_map(fault).collect();
    if errors.is_empty() { Ok(()) } else { Err(kind.invalid(meta::text(current, "name"), errors)) }
}

/// How the writer comes to own fields.
pub enum Ownership {
    /// Whatever it changes.
    Update,
    /// What it applied, and a conflict about what others own, unless forced. Where client-side apply has left its
    /// annotation, kubectl's server-side apply notes `last_applied` there; nobody comes to own that.
    Apply { set: FieldSet, force: bool, last_applied: Option<String> },
}

/// What client-side apply keeps the applied configuration in.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn note_last_applied(object: &mut Value, config: String) {
    let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if let Some(note) = annotations.and_then(|it| it.get_mut(LAST_APPLIED)) {
        *note = Value::String(config);
    }
}

/// Brings `managedFields` up to date with the change from `old` to `new`.
pub(super) fn own(
    write: &Write<'_>,
    (old, new): (&Value, &mut Value),
    ownership: Ownership,
    now: &str,
) -> Result<(), Status> {
    let schema = &write.kind.storage().schema;
    let api_version = write.kind.api_version();
    let subresource = match write.target.subresource {
        Subresource::Main => "",
        Subresource::Status => "status",
        Subresource::Scale => "scale",
    };
    let apply = matches!(ownership, Ownership::Apply { .. });
    let writer = Writer { manager: write.manager, apply, api_version: &api_version, subresource };
    let mut owners = if apply { Owners::of(old) } else { Owners::told(old, new) };
    match ownership {
        Ownership::Update => owners.update(schema, old, new, &writer, now),
        Ownership::Apply { set, force, .. } => {
            if owners.lack(old) {
                let mut seen = old.clone();
                if write.kind.storage().status {
                    set_or_remove(&mut seen, "status", None);
                }
                owners.adopt(schema, &seen, &writer, now);
            }
            owners.apply(schema, (old, new), set, (&writer, force), now)?;
        }
    }
    owners.put(new);
    Ok(())
}

/// Puts `object` in the place of `current`, as far as the subresource allows.
pub(super) fn replace(
    state: &mut State,
    write: &Write<'_>,
    stored: &Arc<Object>,
    mut object: Value,
    ownership: Ownership,
) -> Result<Arc<Object>, Status> {
    let kind = write.kind;
    let current = &stored.value();
    check_version(kind, current, &object)?;
    check_kept(kind, current, &object)?;
    if write.target.subresource == Subresource::Status {
        let status = object.as_object_mut().and_then(|it| it.shift_remove("status"));
        object = (**current).clone();
        set_or_remove(&mut object, "status", status);
    } else if kind.storage().status {
        set_or_remove(&mut object, "status", current.get("status").cloned());
    }
    for key in KEPT {
        meta::keep(current, &mut object, key);
    }
    meta::keep(current, &mut object, "resourceVersion");
    meta::set(&mut object, "name", meta::text(current, "name"));
    match kind.key.as_str() {
        resource::SERVICES => addresses::keep(current, &mut object),
        // The finalizers of a namespace are the server's.
        resource::NAMESPACES => set_or_remove(&mut object, "spec", current.get("spec").cloned()),
        _ => {}
    }
    prepare::fill(kind, &mut object);
    let note = match &ownership {
        Ownership::Apply { last_applied, .. } if object != **current => last_applied.clone(),
        _ => None,
    };
    own(write, (current, &mut object), ownership, &state.now())?;
    prepare::admit(kind, &mut object);
    if let Some(config) = note {
        note_last_applied(&mut object, config);
    }
    prepare::check(kind, &object, Some(current))?;
    if kind.key == resource::CUSTOM_RESOURCE_DEFINITIONS {
        let status = crd::status(&object, &state.kinds, &state.now());
        set_or_remove(&mut object, "status", Some(status));
    }
    if kind.generation && wish_changed(kind, current, &object) {
        let generation = current.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        meta::set(&mut object, "generation", generation + 1);
    }
    if object == **current {
        return Ok(Arc::clone(stored));
    }
    Ok(prepare::commit(state, write, object))
}

fn set_or_remove(object: &mut Value, key: &str, value: Option<Value>) {
    let Some(root) = object.as_object_mut() else { return };
    match value {
        Some(value) => root.insert(key.to_owned(), value),
        None => root.shift_remove(key),
    };
}

/// Whether something other than metadata and status differs. A custom kind without the status subresource has a field of
/// that name like any other; annotations of a Deployment count, because they go down to its ReplicaSets.
fn wish_changed(kind: &Kind, old: &Value, new: &Value) -> bool {
    let annotations = |it: &Value| it.at("/metadata/annotations").cloned();
    if kind.key == resource::DEPLOYMENTS && annotations(old) != annotations(new) {
        return true;
    }
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return true };
    let wish = |key: &str| key != "metadata" && (key != "status" || (kind.custom && !kind.storage().status));
    new.iter().any(|(key, value)| wish(key) && old.get(key) != Some(value))
        || old.keys().any(|key| wish(key) && !new.contains_key(key))
}
