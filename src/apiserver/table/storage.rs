//! The columns of volumes, claims and their classes.

use super::Cell;
use super::built_in::{AGE, NAME, joined, list, text};
use serde_json::{Value, json};

/// The class whose volumes a claim gets that names none.
const DEFAULT_CLASS: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

const ATTRIBUTES: Cell =
    Cell("VolumeAttributesClass", "string", 0, |it, _| or_unset(text(it, "/spec/volumeAttributesClassName")));
const MODE: Cell = Cell("VolumeMode", "string", 1, |it, _| or_unset(text(it, "/spec/volumeMode")));
const STATUS: Cell = Cell("Status", "string", 0, |it, _| {
    let going = it.pointer("/metadata/deletionTimestamp").is_some();
    json!(if going { "Terminating" } else { text(it, "/status/phase") })
});
const CLASS: Cell = Cell("StorageClass", "string", 0, |it, _| json!(text(it, "/spec/storageClassName")));

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
        Cell("Capacity", "string", 0, |it, _| json!(text(it, "/spec/capacity/storage"))),
        Cell("Access Modes", "string", 0, |it, _| modes(list(it, "/spec/accessModes"))),
        Cell("Reclaim Policy", "string", 0, |it, _| json!(text(it, "/spec/persistentVolumeReclaimPolicy"))),
        STATUS,
        Cell("Claim", "string", 0, |it, _| match text(it, "/spec/claimRef/name") {
            "" => json!(""),
            name => json!(format!("{}/{name}", text(it, "/spec/claimRef/namespace"))),
        }),
        CLASS,
        ATTRIBUTES,
        Cell("Reason", "string", 0, |it, _| json!(text(it, "/status/reason"))),
        AGE,
        MODE,
    ]
}

pub fn claims() -> Vec<Cell> {
    // A claim has a capacity once it is bound.
    fn bound<'a>(claim: &'a Value, pointer: &str) -> Option<&'a Value> {
        if text(claim, "/spec/volumeName").is_empty() { None } else { claim.pointer(pointer) }
    }
    vec![
        NAME,
        STATUS,
        Cell("Volume", "string", 0, |it, _| json!(text(it, "/spec/volumeName"))),
        Cell("Capacity", "string", 0, |it, _| {
            bound(it, "/status/capacity/storage").cloned().unwrap_or_else(|| json!(""))
        }),
        Cell("Access Modes", "string", 0, |it, _| {
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
        Cell("Name", "string", 0, |it, _| {
            let default = if text(it, DEFAULT_CLASS) == "true" { " (default)" } else { "" };
            json!(format!("{}{default}", text(it, "/metadata/name")))
        }),
        Cell("Provisioner", "string", 0, |it, _| json!(text(it, "/provisioner"))),
        Cell("ReclaimPolicy", "string", 0, |it, _| json!(text(it, "/reclaimPolicy"))),
        Cell("VolumeBindingMode", "string", 0, |it, _| json!(text(it, "/volumeBindingMode"))),
        Cell("AllowVolumeExpansion", "string", 0, |it, _| json!(it["allowVolumeExpansion"] == json!(true))),
        AGE,
    ]
}
