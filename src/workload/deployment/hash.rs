//! The pod template's hash, which names a ReplicaSet and tells its pods from those of other templates.

use crate::workload::json::normal;
use crate::workload::names::ALPHABET;
use serde_json::Value;
use std::fmt::Write;

/// Label that carries the hash, on ReplicaSets and pods.
pub(super) const LABEL: &str = "pod-template-hash";

const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// 32-bit FNV-1a of the template in a fixed order, and of the collision count, in Kubernetes' safe alphabet.
///
/// The real controller hashes a Go dump of the template, so its numbers differ; what it promises is the same: like
/// templates have like hashes.
pub(super) fn of(template: &Value, collisions: Option<i64>) -> String {
    let mut dump = String::new();
    write_ordered(&normal(template), &mut dump);
    if let Some(collisions) = collisions {
        // Real: eight little-endian bytes; any fixed form that differs per count serves.
        let _ = write!(dump, "#{collisions}");
    }
    let hash = dump.bytes().fold(FNV_OFFSET, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(FNV_PRIME));
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// Whether two templates are the same but for the hash label.
pub(super) fn same_template(a: &Value, b: &Value) -> bool {
    let without_hash = |template: &Value| {
        let mut template = template.clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.shift_remove(LABEL);
        }
        normal(&template)
    };
    without_hash(a) == without_hash(b)
}

fn write_ordered(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                let _ = write!(out, "{key:?}:");
                write_ordered(&map[key.as_str()], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_ordered(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn like_templates_have_like_hashes_whatever_the_order_of_their_fields() {
        let a = json!({"metadata": {"labels": {"app": "x", "v": "1"}}, "spec": {"containers": []}});
        let b = json!({"spec": {}, "metadata": {"labels": {"v": "1", "app": "x"}, "creationTimestamp": null}});
        let c = json!({"metadata": {"labels": {"app": "x", "v": "2"}}});
        assert_eq!(of(&a, None), of(&b, None));
        assert_ne!(of(&a, None), of(&c, None));
        assert_ne!(of(&a, None), of(&a, Some(1)));
        assert!(of(&a, None).chars().all(|it| "bcdf456789".contains(it)), "{}", of(&a, None));
    }

    #[test]
    fn the_hash_label_itself_does_not_make_a_template_another() {
        let plain = json!({"metadata": {"labels": {"app": "x"}}});
        let labelled = json!({"metadata": {"labels": {"app": "x", "pod-template-hash": "bcdf"}}});
        assert!(same_template(&plain, &labelled));
        assert!(!same_template(&plain, &json!({"metadata": {"labels": {"app": "y"}}})));
    }
}
