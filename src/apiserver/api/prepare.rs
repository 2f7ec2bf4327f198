//! What every write has in common: decoding, namespaces, metadata that only the server may set.

use super::Write;
use super::version::decoded_to_storage;
use crate::apiserver::kinds::{Kind, Version, resource};
use crate::apiserver::object::Object;
use crate::apiserver::options::{FieldValidation, Subresource};
use crate::apiserver::schema::decode::Decoder;
use crate::apiserver::schema::{Fields, Schema, Shape, custom};
use crate::apiserver::server::State;
use crate::apiserver::status::{Cause, FieldError, Status};
use crate::apiserver::{crd, defaults, meta, validate};
use crate::model::object::At;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

/// Refuses a subresource that the kind does not have.
pub fn check_subresource(kind: &Kind, subresource: Subresource) -> Result<(), Status> {
    let version = kind.storage();
    let has = match subresource {
        Subresource::Main => true,
        Subresource::Status => version.status,
        Subresource::Scale => version.scale.is_some(),
    };
    if has { Ok(()) } else { Err(Status::no_such_resource()) }
}

/// The object as its kind describes it: `apiVersion` and `kind` as they must be, metadata that is an object.
pub(super) fn decode(write: &Write<'_>, object: Value) -> Result<Value, Status> {
    let (object, unknown) = decode_any(write, object)?;
    let (name, version) = (&write.kind.kind, &write.version().name);
    tell_unknown(write, &unknown, |why| {
        Status::bad_request(format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}"))
    })?;
    Ok(object)
}

/// The same of an object that a patch has made; `shown` is how its refusal shows the patch.
pub(super) fn decode_patched(write: &Write<'_>, object: Value, shown: impl Fn() -> String) -> Result<Value, Status> {
    let refused = |why: &str| {
        let error = FieldError::invalid("patch", &json!(shown()), why);
        Status::invalid("", "", "", vec![error])
    };
    let (object, unknown) = decode_any(write, object).map_err(|it| {
        let detail = it.message.split_once(&format!("cannot be handled as a {}: ", write.kind.kind));
        refused(detail.map_or(it.message.as_str(), |(_, detail)| detail))
    })?;
    tell_unknown(write, &unknown, |why| refused(&why))?;
    Ok(object)
}

/// The object as it is kept, and the paths of its unknown fields, which are dropped.
fn decode_any(write: &Write<'_>, mut object: Value) -> Result<(Value, Vec<String>), Status> {
    let (kind, version) = (write.kind, write.version());
    let Some(root) = object.as_object_mut() else {
        return Err(Status::bad_request("the object provided is unrecognized (must be of type object)"));
    };
    let expected = [("apiVersion", kind.api_version_of(&version.name)), ("kind", kind.kind.clone())];
    for (key, expected) in expected {
        match root.get(key).and_then(Value::as_str) {
            None | Some("") => {
                root.insert(key.to_owned(), Value::String(expected));
            }
            Some(found) if found == expected => {}
            Some(found) if key == "apiVersion" => {
                let message = format!(
                    "the API version in the data ({found}) does not match the expected API version ({expected})"
                );
                return Err(Status::bad_request(message));
            }
            Some(found) => return Err(Status::bad_request(other_kind(kind, version, found))),
        }
    }
    // Empty lists are dropped, and one of owners has a meaning of its own: one empty entry has the same.
    if let Some(Value::Array(owners)) = meta::of(&mut object).get_mut("managedFields")
        && owners.is_empty()
    {
        owners.push(json!({}));
    }
    let unknown = fit(kind, version, &mut object)?;
    Ok((decoded_to_storage(kind, &version.name, object), unknown))
}

/// What the real server says of an object of another kind: Go's packages shine through.
fn other_kind(kind: &Kind, version: &Version, found: &str) -> String {
    let (version, name) = (&version.name, &kind.kind);
    let package = if kind.group.is_empty() { "core" } else { kind.group.split('.').next().unwrap_or_default() };
    if kind.custom {
        return format!("the kind in the data ({found}) does not match the expected kind ({name})");
    }
    format!(
        "{found} in version \"{version}\" cannot be handled as a {name}: converting ({version}.{found}) to \
         ({package}.{name}): unknown conversion"
    )
}

/// Makes the object fit the types of its kind's version; the paths of unknown fields, which are dropped.
fn fit(kind: &Kind, version: &Version, object: &mut Value) -> Result<Vec<String>, Status> {
    let (name, in_version) = (&kind.kind, &version.name);
    let cannot =
        |it| Status::bad_request(format!("{name} in version \"{in_version}\" cannot be handled as a {name}: {it}"));
    if !kind.custom {
        let mut decoder = Decoder::default();
        decoder.decode(&version.schema, object).map_err(cannot)?;
        meta::of(object);
        return Ok(decoder.unknown);
    }
    let schema = Fields { known: [("metadata".to_owned(), Schema::object_meta())].into(), ..Fields::default() };
    let mut holder = json!({ "metadata": object.get_mut("metadata").map(Value::take) });
    let shape = Schema { shape: Shape::Object(schema), ..Schema::default() };
    let mut decoder = Decoder::default();
    decoder.decode(&shape, &mut holder).map_err(cannot)?;
    object["metadata"] = holder["metadata"].take();
    meta::of(object);
    let mut pruned = crd::admit(&kind.storage().schema, object);
    pruned.sort();
    Ok([decoder.unknown, pruned].concat())
}

/// Fields that are unknown or stand twice are refused, told or passed over, as the caller wishes.
fn tell_unknown(write: &Write<'_>, unknown: &[String], refusal: impl Fn(String) -> Status) -> Result<(), Status> {
    let text = &write.options.text;
    match write.options.field_validation {
        FieldValidation::Strict if !text.told(unknown).is_empty() => Err(refusal(text.strict(unknown))),
        FieldValidation::Strict | FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            if let Some(warnings) = &write.options.warnings {
                warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(text.told(unknown));
            }
            Ok(())
        }
    }
}

/// Fills in what is missing.
pub(super) fn fill(kind: &Kind, object: &mut Value) {
    if kind.key == resource::CUSTOM_RESOURCE_DEFINITIONS {
        crd::default(object);
    } else if kind.custom {
        custom::default(&kind.storage().schema, object);
    } else {
        defaults::apply(&kind.key, object);
    }
}

/// What admission adds, of which nobody becomes the owner.
pub(super) fn admit(kind: &Kind, object: &mut Value) {
    if !kind.custom {
        defaults::admit(&kind.key, object);
    }
}

/// Refuses an object with faults.
pub(super) fn check(kind: &Kind, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    let errors = validate::check(kind, object, old);
    if errors.is_empty() { Ok(()) } else { Err(kind.invalid(meta::text(object, "name"), errors)) }
}

/// The namespace of the request, which the object may only repeat.
pub(super) fn place(write: &Write<'_>, object: &mut Value) -> Result<(), Status> {
    let namespace = write.target.namespace;
    if !write.kind.namespaced {
        meta::of(object).remove("namespace");
        return Ok(());
    }
    let found = meta::text(object, "namespace");
    if !found.is_empty() && found != namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(message));
    }
    if namespace.is_empty() {
        return Err(Status::bad_request("an empty namespace may not be set during creation"));
    }
    meta::set(object, "namespace", namespace);
    Ok(())
}

/// Nothing is created in a namespace that is not there or is going.
pub(super) fn check_namespace(state: &State, kind: &Kind, namespace: &str, name: &str) -> Result<(), Status> {
    if !kind.namespaced {
        return Ok(());
    }
    let found = state.store.get(resource::NAMESPACES, "", namespace);
    let Some(found) = found else { return Err(Status::not_found(resource::NAMESPACES, "", namespace)) };
    if !meta::is_terminating(&found.value()) {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = Cause {
        reason: "NamespaceTerminating".to_owned(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".to_owned(),
    };
    Err(Status::forbidden(&kind.plural, &kind.group, name, &why).with_causes(vec![cause]))
}

/// Commits a write and lets its consequences happen; a dry run only shows what would be stored.
pub(super) fn commit(state: &mut State, write: &Write<'_>, object: Value) -> Arc<Object> {
    if write.options.dry_run {
        return Object::new(object);
    }
    let finished = meta::is_terminating(&object)
        && !meta::has_finalizers(&object)
        && object.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0;
    let stored = state.store.put(&write.kind.key, object);
    if finished {
        return state.remove(&write.kind.key, &stored);
    }
    state.after_write(&write.kind.key, &stored.value());
    stored
}
