//! Patch: what the four kinds of patch have in common.

use super::update::{LAST_APPLIED, Ownership};
use super::version::at_version;
use super::{Write, create, prepare, scale, update};
use crate::apiserver::meta;
use crate::apiserver::object::Object;
use crate::apiserver::options::{FieldValidation, PatchKind, Subresource};
use crate::apiserver::patch::owners::{Owners, Writer, applied};
use crate::apiserver::patch::{json, merge, strategic, walk};
use crate::apiserver::schema::typed::{self, go_text};
use crate::apiserver::schema::{Schema, unstructured};
use crate::apiserver::server::State;
use crate::apiserver::status::{FieldError, Reason, Status};
use crate::model::object::At;
use serde_json::Value;
use std::sync::Arc;

/// Patches; the flag tells whether the object was created.
pub(super) fn patch(
    state: &mut State,
    write: &Write<'_>,
    patch: &PatchKind,
    body: Value,
) -> Result<(Arc<Object>, bool), Status> {
    let (kind, target) = (write.kind, write.target);
    prepare::check_subresource(kind, target.subresource)?;
    let current = state.store.get(&kind.key, target.namespace, target.name).cloned();
    if let PatchKind::Apply { field_manager, force } = patch {
        return apply(state, write, current, body, (field_manager, *force));
    }
    let stored = current.ok_or_else(|| kind.not_found(target.name))?;
    let current = stored.value();
    let shown = match target.subresource {
        Subresource::Scale => scale::shown(kind, target.subresource, &current),
        _ => at_version(kind, &write.version().name, &current),
    };
    if *patch == PatchKind::Merge && !body.is_object() {
        return Err(Status::bad_request("error decoding patch: a merge patch of an object must be an object"));
    }
    let again = body.clone();
    let patched = changed(write, patch, &shown, body)?;
    let object = if target.subresource == Subresource::Scale {
        scale::update(state, write, &patched)?
    } else {
        // The real server shows a strategic patch as it came, and of the others the object that they made.
        let text = || match patch {
            PatchKind::Strategic => go_text(&again),
            _ => changed(write, patch, &shown, again.clone())
                .map(|it| unstructured::ordered(&it).to_string())
                .unwrap_or_default(),
        };
        if *patch == PatchKind::Strategic {
            check_go_types(&write.version().schema, &patched, &again)?;
        }
        let mut decoded = prepare::decode_patched(write, patched, text)?;
        update::check_version(kind, &current, &decoded)?;
        check_identity(&current, &decoded)?;
        prepare::place(write, &mut decoded)?;
        update::replace(state, write, &stored, decoded, Ownership::Update)?
    };
    Ok((object, false))
}

/// The object, or the part that is patched, as the patch makes it.
fn changed(write: &Write<'_>, patch: &PatchKind, shown: &Value, body: Value) -> Result<Value, Status> {
    let kind = write.kind;
    match patch {
        PatchKind::Json => json::apply(shown, body),
        PatchKind::Merge => Ok(merge::apply(shown.clone(), body)),
        _ if kind.custom => Err(no_strategic_merge()),
        _ if write.target.subresource == Subresource::Scale => {
            strategic::apply(&Schema::default(), shown.clone(), body)
        }
        _ => strategic::apply(&write.version().schema, shown.clone(), body),
    }
}

/// A strategic merge patch never becomes JSON on the real server, which has other words for wrong types then.
fn check_go_types(schema: &Schema, patched: &Value, body: &Value) -> Result<(), Status> {
    let Some(fault) = unstructured::fault(schema, patched) else { return Ok(()) };
    let error = FieldError::invalid("patch", &Value::String(go_text(body)), &fault);
    Err(Status::invalid("", "", "", vec![error]))
}

fn no_strategic_merge() -> Status {
    let message = "the body of the request was in an unknown format - accepted media types include: \
        application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    Status::new(415, Reason::UnsupportedMediaType, message)
}

/// A patch cannot rename.
fn check_identity(current: &Value, patched: &Value) -> Result<(), Status> {
    let (was, is) = (meta::text(current, "name"), meta::text(patched, "name"));
    if was == is {
        return Ok(());
    }
    let message = format!("the name of the object ({is}) does not match the name on the URL ({was})");
    Err(Status::bad_request(message))
}

/// Server-side apply.
fn apply(
    state: &mut State,
    write: &Write<'_>,
    current: Option<Arc<Object>>,
    body: Value,
    (manager, force): (&str, bool),
) -> Result<(Arc<Object>, bool), Status> {
    let (kind, target) = (write.kind, write.target);
    if manager.is_empty() {
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("PatchOptions", "meta.k8s.io", "", vec![error]));
    }
    if target.subresource == Subresource::Scale {
        return Err(Status::bad_request("server-side apply of a scale is not supported; patch it instead"));
    }
    if body.at("/metadata/managedFields").is_some_and(|it| !it.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    check_types(write, &body)?;
    let mut config = prepare::decode(write, body)?;
    prepare::place(write, &mut config)?;
    if meta::text(&config, "name").is_empty() {
        meta::set(&mut config, "name", target.name);
    }
    let schema = &kind.storage().schema;
    let mut set = applied(schema, &config);
    let has_status = kind.storage().status;
    match target.subresource {
        Subresource::Status => set.children.retain(|edge, _| edge == "f:status"),
        _ if has_status => set.cut(&["f:status"]),
        _ => {}
    }
    let api_version = kind.api_version();
    let subresource = if target.subresource == Subresource::Status { "status" } else { "" };
    let writer = Writer { manager, apply: true, api_version: &api_version, subresource };
    let last_applied = (manager == "kubectl").then(|| last_applied(&config));
    let ownership = Ownership::Apply { set, force, last_applied };
    let write = Write { manager, ..*write };
    let Some(stored) = current else {
        if target.subresource != Subresource::Main {
            return Err(kind.not_found(target.name));
        }
        return create::create_owned(state, &write, config, ownership).map(|it| (it, true));
    };
    let current = stored.value();
    check_identity(&current, &config)?;
    let merged = merged(schema, &current, &config, &writer, &ownership);
    update::replace(state, &write, &stored, merged, ownership).map(|it| (it, false))
}

/// Fields that the kind does not have are refused here however lenient the caller is: nobody could own them.
fn check_types(write: &Write<'_>, body: &Value) -> Result<(), Status> {
    let lines = &write.options.text.lines;
    if write.options.field_validation == FieldValidation::Strict && !lines.is_empty() {
        let lines: String = lines.iter().map(|it| format!("\n  {it}")).collect();
        let why = format!("error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:{lines}");
        return Err(Status::bad_request(why));
    }
    let faults = typed::faults(&write.version().schema, body);
    let why = match faults.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:{}", many.iter().map(|it| format!("\n  {it}")).collect::<String>()),
    };
    let (namespace, name) = (meta::text(body, "namespace"), meta::text(body, "name"));
    let (api_version, kind) = (write.kind.api_version_of(&write.version().name), &write.kind.kind);
    let message =
        format!("failed to create typed patch object ({namespace}/{name}; {api_version}, Kind={kind}): {why}");
    Err(Status::new(500, Reason::Unknown, message))
}

/// A configuration as kubectl keeps it in its annotation.
fn last_applied(config: &Value) -> String {
    let mut config = unstructured::ordered(config);
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(LAST_APPLIED);
    }
    format!("{config}\n")
}

/// The live object with the configuration merged in, and without what the manager applied before and no longer does.
fn merged(schema: &Schema, current: &Value, config: &Value, writer: &Writer<'_>, ownership: &Ownership) -> Value {
    let (last, mut keep) = Owners::of(current).split(writer);
    if let Ownership::Apply { set, .. } = ownership {
        keep.unite(set);
    }
    let mut object = walk::merge(schema, current.clone(), config);
    walk::prune(schema, &mut object, &last, &keep);
    meta::keep(current, &mut object, "managedFields");
    object
}
