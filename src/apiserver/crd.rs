//! Custom resource definitions: how an object of that kind becomes a kind of the server.

use super::kinds::{Column, Kind, Kinds, ScalePaths, Version, qualified_key};
use super::schema::{Schema, structural};
use super::status::FieldError;
use super::validate::name;
use serde_json::{Value, json};
use std::sync::Arc;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let list = value.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// Names that can be derived from others.
pub fn default(object: &mut Value) {
    let kind = text(object, "/spec/names/kind").to_owned();
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.entry("conversion").or_insert_with(|| json!({ "strategy": "None" }));
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        names.entry("singular").or_insert_with(|| json!(kind.to_lowercase()));
        names.entry("listKind").or_insert_with(|| json!(format!("{kind}List")));
    }
}

pub fn validate(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (plural, group) = (text(object, "/spec/names/plural"), text(object, "/spec/group"));
    for (field, pointer) in [
        ("spec.group", "/spec/group"),
        ("spec.scope", "/spec/scope"),
        ("spec.names.plural", "/spec/names/plural"),
        ("spec.names.kind", "/spec/names/kind"),
    ] {
        if text(object, pointer).is_empty() {
            errors.push(FieldError::required(field, ""));
        }
    }
    let found = text(object, "/metadata/name");
    if errors.is_empty() && found != format!("{plural}.{group}") {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &json!(found), detail));
    }
    let scope = text(object, "/spec/scope");
    if !matches!(scope, "" | "Namespaced" | "Cluster") {
        errors.push(FieldError::unsupported("spec.scope", &json!(scope), &["Cluster", "Namespaced"]));
    }
    let versions = object.pointer("/spec/versions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if versions.iter().filter(|it| it["storage"] == json!(true)).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", &Value::from(versions), detail));
    }
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}]");
        for fault in name::label_1035_faults(text(version, "/name")) {
            errors.push(FieldError::invalid(format!("{path}.name"), &version["name"], &fault));
        }
        validate_schema(version, &path, &mut errors);
    }
    errors
}

fn validate_schema(version: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let path = format!("{path}.schema.openAPIV3Schema");
    let Some(schema) = version.pointer("/schema/openAPIV3Schema") else {
        errors.push(FieldError::required(path, "schemas are required"));
        return;
    };
    match text(schema, "/type") {
        "object" => {}
        "" => errors.push(FieldError::required(format!("{path}.type"), "must not be empty at the root")),
        other => {
            errors.push(FieldError::invalid(format!("{path}.type"), &json!(other), "must be object at the root"));
        }
    }
}

/// The kind that the definition makes; None if it says too little.
pub fn kind(object: &Value) -> Option<Kind> {
    let (plural, group, kind) =
        (text(object, "/spec/names/plural"), text(object, "/spec/group"), text(object, "/spec/names/kind"));
    if plural.is_empty() || group.is_empty() || kind.is_empty() {
        return None;
    }
    let mut versions: Vec<_> =
        object.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten().map(version).collect();
    // Preferred first: v2 before v1 before v1beta1.
    versions.sort_by_key(|it| std::cmp::Reverse(priority(&it.name)));
    if versions.is_empty() {
        return None;
    }
    Some(Kind {
        key: qualified_key(plural, group),
        group: group.to_owned(),
        kind: kind.to_owned(),
        list_kind: text(object, "/spec/names/listKind").to_owned(),
        plural: plural.to_owned(),
        singular: text(object, "/spec/names/singular").to_owned(),
        short_names: texts(object, "/spec/names/shortNames"),
        categories: texts(object, "/spec/names/categories"),
        namespaced: text(object, "/spec/scope") == "Namespaced",
        generation: true,
        custom: true,
        versions,
    })
}

/// Stable before beta before alpha, and the higher number first within each.
fn priority(name: &str) -> (u8, u32, u32) {
    let rest = name.strip_prefix('v').unwrap_or(name);
    let digits = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
    let major = rest[..digits].parse().unwrap_or(0);
    let minor = |text: &str| text.parse().unwrap_or(0);
    match &rest[digits..] {
        "" if major > 0 => (3, major, 0),
        tail if tail.starts_with("beta") => (2, major, minor(&tail[4..])),
        tail if tail.starts_with("alpha") => (1, major, minor(&tail[5..])),
        _ => (0, 0, 0),
    }
}

fn version(version: &Value) -> Version {
    let schema = version.pointer("/schema/openAPIV3Schema").map(structural::read_root).unwrap_or_default();
    let scale = version.pointer("/subresources/scale").map(|it| ScalePaths {
        spec_replicas: text(it, "/specReplicasPath").to_owned(),
        status_replicas: text(it, "/statusReplicasPath").to_owned(),
        label_selector: Some(text(it, "/labelSelectorPath").to_owned()).filter(|it| !it.is_empty()),
    });
    let columns = version.get("additionalPrinterColumns").and_then(Value::as_array).into_iter().flatten();
    Version {
        name: text(version, "/name").to_owned(),
        served: version["served"] == json!(true),
        storage: version["storage"] == json!(true),
        status: version.pointer("/subresources/status").is_some(),
        scale,
        schema: Arc::new(schema),
        columns: columns.map(column).collect(),
    }
}

fn column(column: &Value) -> Column {
    Column {
        name: text(column, "/name").to_owned(),
        kind: text(column, "/type").to_owned(),
        format: text(column, "/format").to_owned(),
        description: text(column, "/description").to_owned(),
        priority: column["priority"].as_i64().unwrap_or(0),
        json_path: text(column, "/jsonPath").to_owned(),
    }
}

/// The status with which the definition is in force: its names accepted, the kind established. On the real server a
/// controller does this a moment after the write; here it is part of the write.
pub fn status(object: &Value, kinds: &Kinds, now: &str) -> Value {
    let (group, kind) = (text(object, "/spec/group"), text(object, "/spec/names/kind"));
    let key = qualified_key(text(object, "/spec/names/plural"), group);
    let taken = kinds.iter().any(|it| it.group == group && it.kind == kind && it.key != key);
    let condition = |name: &str, status: bool, reason: &str, message: &str| {
        let status = if status { "True" } else { "False" };
        json!({
            "type": name, "status": status, "lastTransitionTime": transition(object, name, status, now),
            "reason": reason, "message": message
        })
    };
    let (accepted, conditions) = if taken {
        let message = format!("\"{kind}\" is already in use");
        let names = condition("NamesAccepted", false, "KindConflict", &message);
        let established = condition("Established", false, "NotAccepted", "not all names are accepted");
        (json!({ "plural": "", "kind": "" }), json!([names, established]))
    } else {
        let names = condition("NamesAccepted", true, "NoConflicts", "no conflicts found");
        let message = "the initial names have been accepted";
        let established = condition("Established", true, "InitialNamesAccepted", message);
        (object.pointer("/spec/names").cloned().unwrap_or_else(|| json!({})), json!([names, established]))
    };
    json!({ "conditions": conditions, "acceptedNames": accepted, "storedVersions": stored(object) })
}

fn transition(object: &Value, name: &str, status: &str, now: &str) -> Value {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let same = |it: &&Value| it["type"] == json!(name) && it["status"] == json!(status);
    conditions.into_iter().find(same).map_or_else(|| json!(now), |it| it["lastTransitionTime"].clone())
}

fn stored(object: &Value) -> Vec<String> {
    let mut names = texts(object, "/status/storedVersions");
    let versions = object.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten();
    for name in versions.filter(|it| it["storage"] == json!(true)).map(|it| text(it, "/name").to_owned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether the definition is in force.
pub fn is_established(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|it| it["type"] == json!("Established") && it["status"] == json!("True"))
}

/// Drops what the schema of a custom object does not know, and tells it.
pub fn admit(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let metadata = object.get_mut("metadata").map(Value::take);
    super::schema::custom::prune(schema, object, "", &mut unknown);
    if let (Some(metadata), Some(root)) = (metadata, object.as_object_mut()) {
        root.insert("metadata".to_owned(), metadata);
    }
    unknown
}
