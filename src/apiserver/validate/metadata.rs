//! Metadata, the same for all kinds but for the grammar of the name.

use super::{Faults, items, name, text};
use crate::apiserver::kinds::{Kind, resource as r};
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};

/// All annotations of one object together.
const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;

pub fn check(kind: &Kind, object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let Some(metadata) = object.get("metadata") else { return };
    check_name(kind, metadata, old, faults);
    for (key, value) in metadata.get("labels").and_then(Value::as_object).into_iter().flatten() {
        for fault in name::qualified_name_faults(key) {
            faults.invalid("metadata.labels", &json!(key), &fault);
        }
        for fault in name::label_value_faults(value.as_str().unwrap_or_default()) {
            faults.invalid("metadata.labels", value, &fault);
        }
    }
    let mut size = 0;
    for (key, value) in metadata.get("annotations").and_then(Value::as_object).into_iter().flatten() {
        size += key.len() + value.as_str().map_or(0, str::len);
        for fault in name::qualified_name_faults(&key.to_lowercase()) {
            faults.invalid("metadata.annotations", &json!(key), &fault);
        }
    }
    if size > MAX_ANNOTATIONS_BYTES {
        faults.add(FieldError::too_long("metadata.annotations", MAX_ANNOTATIONS_BYTES));
    }
    for (index, finalizer) in items(metadata, "finalizers").iter().enumerate() {
        let finalizer_name = finalizer.as_str().unwrap_or_default();
        let faulty = name::qualified_name_faults(finalizer_name);
        for fault in &faulty {
            faults.invalid("metadata.finalizers", finalizer, fault);
        }
        let standard = matches!(finalizer_name, "foregroundDeletion" | "orphan" | "kubernetes");
        // Only built-in kinds insist on a domain; Flagger's own finalizer has none.
        if faulty.is_empty() && !kind.custom && !standard && !finalizer_name.contains('/') {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            faults.invalid(&format!("metadata.finalizers[{index}]"), finalizer, detail);
        }
    }
    check_owners(metadata, faults);
    if let Some(old) = old {
        check_new_finalizers(object, old, faults);
    }
}

fn check_name(kind: &Kind, metadata: &Value, old: Option<&Value>, faults: &mut Faults) {
    let found = text(metadata, "name");
    if found.is_empty() {
        faults.required("metadata.name", "name or generateName is required");
        return;
    }
    if old.is_some() {
        return;
    }
    let rbac = kind.group == "rbac.authorization.k8s.io";
    let grammar = match kind.key.as_str() {
        r::NAMESPACES => name::label_faults,
        r::SERVICES => name::label_1035_faults,
        _ if rbac => name::path_segment_faults,
        _ => name::subdomain_faults,
    };
    for fault in grammar(found) {
        faults.invalid("metadata.name", &json!(found), &fault);
    }
}

fn check_owners(metadata: &Value, faults: &mut Faults) {
    let owners = items(metadata, "ownerReferences");
    for owner in owners {
        for (key, detail) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if text(owner, key).is_empty() {
                faults.invalid(&format!("metadata.ownerReferences.{key}"), &json!(""), detail);
            }
        }
    }
    let controllers: Vec<_> = owners.iter().filter(|it| it["controller"] == json!(true)).collect();
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            named(first),
            named(second)
        );
        faults.invalid("metadata.ownerReferences", &owners.iter().map(written).collect(), &detail);
    }
}

/// A reference as Go writes it: its fields in the order of their declaration.
fn written(owner: &Value) -> Value {
    let mut ordered = json!({});
    for key in ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"] {
        if let Some(value) = owner.get(key) {
            ordered[key] = value.clone();
        }
    }
    ordered
}

fn named(owner: &Value) -> String {
    format!("{}/{}", text(owner, "kind"), text(owner, "name"))
}

/// An object that is going takes no new finalizers.
fn check_new_finalizers(object: &Value, old: &Value, faults: &mut Faults) {
    if !crate::apiserver::meta::is_terminating(old) {
        return;
    }
    let before: Vec<_> = crate::apiserver::meta::finalizers(old).collect();
    let added: Vec<_> = crate::apiserver::meta::finalizers(object).filter(|it| !before.contains(it)).collect();
    if !added.is_empty() {
        let added: Vec<_> = added.into_iter().map(|it| json!(it).to_string()).collect();
        let detail = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        faults.add(FieldError::forbidden("metadata.finalizers", &detail));
    }
}
