//! The columns of volumes, claims and their classes.

use super::built_in::{AGE, NAME, joined, list, text};
use super::row::{Cell, cell};
use crate::model::object::At;
use serde_json::{Value, json};

/// The class whose volumes a claim gets that names none.
const DEFAULT_CLASS: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

const ATTRIBUTES: Cell =
    cell("VolumeAttributesClass", "string", 0, |it| or_unset(text(it, "/spec/volumeAttributesClassName")));
const MODE: Cell = cell("VolumeMode", "string", 1, |it| or_unset(text(it, "/spec/volumeMode")));
const STATUS: Cell = cell("Status", "string", 0, |it| {
    let going = it.at("/metadata/deletionTimestamp").is_some();
    json!(if going { "Terminating" } else { text(it, "/status/phase") })
});
const CLASS: Cell = cell("StorageClass", "string", 0, |it| json!(text(it, "/spec/storageClassName")));

fn or_unset(text: &str) -> Value {
    json!(if text.is_empty() { "<unset>" } else { text })
}

/// `RWO,ROX`
fn modes(modes: &[Value]) -> Value {
    let short = |it: &Value| match it.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    json!(joined(modes.iter().map(|it| short(it).to_owned()).filter(|it| !it.is_empty())))
}

pub fn volumes() -> Vec<Cell> {
    vec![
        NAME,
        cell("Capacity", "string", 0, |it| json!(text(it, "/spec/capacity/storage"))),
        cell("Access Modes", "string", 0, |it| modes(list(it, "/spec/accessModes"))),
        cell("Reclaim Policy", "string", 0, |it| json!(text(it, "/spec/persistentVolumeReclaimPolicy"))),
        STATUS,
        cell("Claim", "string", 0, |it| match text(it, "/spec/claimRef/name") {
            "" => json!(""),
            name => json!(format!("{}/{name}", text(it, "/spec/claimRef/namespace"))),
        }),
        CLASS,
        ATTRIBUTES,
        cell("Reason", "string", 0, |it| json!(text(it, "/status/reason"))),
        AGE,
        MODE,
    ]
}

pub fn claims() -> Vec<Cell> {
    // A claim has a capacity once it is bound.
    fn bound<'a>(claim: &'a Value, pointer: &str) -> Option<&'a Value> {
        if text(claim, "/spec/volumeName").is_empty() { None } else { claim.at(pointer) }
    }
    vec![
        NAME,
        STATUS,
        cell("Volume", "string", 0, |it| json!(text(it, "/spec/volumeName"))),
        cell("Capacity", "string", 0, |it| bound(it, "/status/capacity/storage").cloned().unwrap_or_else(|| json!(""))),
        cell("Access Modes", "string", 0, |it| {
            modes(bound(it, "/status/accessModes").and_then(Value::as_array).map_or(&[], Vec::as_slice))
        }),
        CLASS,
        ATTRIBUTES,
        AGE,
        MODE,
    ]
}

pub fn classes() -> Vec<Cell> {
    vec![
        cell("Name", "string", 0, |it| {
            let default = if text(it, DEFAULT_CLASS) == "true" { " (default)" } else { "" };
            json!(format!("{}{default}", text(it, "/metadata/name")))
        }),
        cell("Provisioner", "string", 0, |it| json!(text(it, "/provisioner"))),
        cell("ReclaimPolicy", "string", 0, |it| json!(text(it, "/reclaimPolicy"))),
        cell("VolumeBindingMode", "string", 0, |it| json!(text(it, "/volumeBindingMode"))),
        cell("AllowVolumeExpansion", "string", 0, |it| json!(it["allowVolumeExpansion"] == json!(true))),
        AGE,
    ]
}
