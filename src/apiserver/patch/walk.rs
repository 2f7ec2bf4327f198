//! Walking values with their types: which fields a value has, what differs between two, merging and pruning.

use super::fields::{FieldSet, field};
use crate::apiserver::schema::{ListKind, Schema, Shape};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Structs without a pointer in Go: they are there even when nothing is in them, so nobody comes to own them by writing
/// below them.
const ALWAYS_THERE: [&str; 12] = [
    "metadata",
    "spec",
    "status",
    "template",
    "strategy",
    "updateStrategy",
    "containers",
    "scaleTargetRef",
    "jobTemplate",
    "source",
    "names",
    "acceptedNames",
];

/// The edge to an item of a list; None for lists that are one thing, or an item without its keys.
pub fn edge_of(schema: &Schema, item: &Value) -> Option<String> {
    match schema.list_kind() {
        ListKind::Atomic => None,
        ListKind::Set => Some(format!("v:{item}")),
        ListKind::Map(keys) => {
            let mut named = keys.clone();
            named.sort();
            let mut parts = Map::new();
            for key in named {
                match item.get(&key) {
                    Some(value) => parts.insert(key, value.clone()),
                    // The one key that has a default.
                    None if key == "protocol" => parts.insert(key, json!("TCP")),
                    None => continue,
                };
            }
            (!parts.is_empty()).then(|| format!("k:{}", Value::Object(parts)))
        }
    }
}

fn is_granular_list(schema: &Schema) -> bool {
    !schema.atomic && *schema.list_kind() != ListKind::Atomic
}

/// The type of a field, and whether the field is one of a struct (not the key of a map).
fn typed<'a>(schema: &'a Schema, key: &str, any: &'a Schema) -> (&'a Schema, bool) {
    match &schema.shape {
        Shape::Object(fields) => match fields.known.get(key) {
            Some(known) => (known, true),
            None => (fields.others.as_deref().unwrap_or(any), false),
        },
        _ => (any, false),
    }
}

/// The fields that a value sets, as an applier comes to own them.
pub fn fields_of(schema: &Schema, value: &Value, set: &mut FieldSet) {
    let any = Schema::default();
    match value {
        Value::Object(map) if !schema.atomic => {
            for (key, item) in map {
                let (of, is_field) = typed(schema, key, &any);
                let child = set.child(field(key));
                fields_of(of, item, child);
                let is_empty = item.is_null() || matches!(item, Value::Object(map) if map.is_empty());
                child.member |= is_empty || !is_field;
            }
        }
        Value::Array(items) if is_granular_list(schema) => {
            let of = schema.items().map_or(&any, |it| it);
            for item in items {
                if let Some(edge) = edge_of(schema, item) {
                    let child = set.child(edge);
                    fields_of(of, item, child);
                    child.member = true;
                }
            }
        }
        _ => set.member = true,
    }
}

/// What differs: fields set or changed, and fields removed.
#[derive(Debug, Default)]
pub struct Difference {
    pub changed: FieldSet,
    pub removed: FieldSet,
}

impl Difference {
    pub fn between(schema: &Schema, old: &Value, new: &Value) -> Self {
        let mut found = Self::default();
        compare(schema, old, new, (&mut found.changed, &mut found.removed));
        found.changed.tidy();
        found.removed.tidy();
        found
    }
}

/// Both are there.
fn compare(schema: &Schema, old: &Value, new: &Value, (changed, removed): (&mut FieldSet, &mut FieldSet)) {
    if old == new {
        return;
    }
    let any = Schema::default();
    let in_struct = !schema.name.is_empty();
    match (old, new) {
        (Value::Object(before), Value::Object(after)) if !schema.atomic => {
            for (key, new) in after {
                let (of, is_field) = typed(schema, key, &any);
                match before.get(key) {
                    Some(old) if old == new => {}
                    Some(old) => {
                        let edge = field(key);
                        compare(of, old, new, (changed.child(edge.clone()), removed.child(edge)));
                    }
                    None if in_struct && is_field && new.is_object() && ALWAYS_THERE.contains(&key.as_str()) => {
                        let edge = field(key);
                        compare(of, &json!({}), new, (changed.child(edge.clone()), removed.child(edge)));
                    }
                    None if in_struct && is_field && new.is_array() && ALWAYS_THERE.contains(&key.as_str()) => {
                        let edge = field(key);
                        compare(of, &json!([]), new, (changed.child(edge.clone()), removed.child(edge)));
                    }
                    None => all_of(of, new, changed.child(field(key))),
                }
            }
            for (key, old) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
                all_of(typed(schema, key, &any).0, old, removed.child(field(key)));
            }
        }
        (Value::Array(before), Value::Array(after)) if is_granular_list(schema) => {
            compare_items(schema, before, after, (changed, removed));
        }
        _ => changed.member = true,
    }
}

fn compare_items(
    schema: &Schema,
    before: &[Value],
    after: &[Value],
    (changed, removed): (&mut FieldSet, &mut FieldSet),
) {
    let any = Schema::default();
    let of = schema.items().map_or(&any, |it| it);
    let find = |list: &'_ [Value], edge: &str| list.iter().position(|it| edge_of(schema, it).as_deref() == Some(edge));
    for new in after {
        let Some(edge) = edge_of(schema, new) else { continue };
        match find(before, &edge) {
            Some(at) => compare(of, &before[at], new, (changed.child(edge.clone()), removed.child(edge))),
            None => all_of(of, new, changed.child(edge)),
        }
    }
    for old in before {
        let Some(edge) = edge_of(schema, old) else { continue };
        if find(after, &edge).is_none() {
            all_of(of, old, removed.child(edge));
        }
    }
}

/// A value that is all new, or all gone: itself and everything below it.
fn all_of(schema: &Schema, value: &Value, set: &mut FieldSet) {
    let any = Schema::default();
    set.member = true;
    match value {
        Value::Object(map) if !schema.atomic => {
            for (key, item) in map {
                all_of(typed(schema, key, &any).0, item, set.child(field(key)));
            }
        }
        Value::Array(items) if is_granular_list(schema) => {
            let of = schema.items().map_or(&any, |it| it);
            for item in items {
                if let Some(edge) = edge_of(schema, item) {
                    all_of(of, item, set.child(edge));
                }
            }
        }
        _ => {}
    }
}

/// The live value with the applied one merged in.
pub fn merge(schema: &Schema, live: Value, applied: &Value) -> Value {
    let any = Schema::default();
    match (live, applied) {
        (Value::Object(mut map), Value::Object(more)) if !schema.atomic => {
            for (key, value) in more {
                let (of, _) = typed(schema, key, &any);
                let merged = match map.get_mut(key).map(Value::take) {
                    Some(old) => merge(of, old, value),
                    None => value.clone(),
                };
                map.insert(key.clone(), merged);
            }
            Value::Object(map)
        }
        (Value::Array(old), Value::Array(new)) if is_granular_list(schema) => merge_items(schema, old, new),
        (_, applied) => applied.clone(),
    }
}

/// The order is that of the applied list; items that only the live list has stay next to their neighbours.
fn merge_items(schema: &Schema, live: Vec<Value>, applied: &[Value]) -> Value {
    let any = Schema::default();
    let of = schema.items().map_or(&any, |it| it);
    let edge = |it: &Value| edge_of(schema, it).unwrap_or_else(|| it.to_string());
    let wanted: BTreeSet<_> = applied.iter().map(edge).collect();
    let mut live: Vec<Option<Value>> = live.into_iter().map(Some).collect();
    let edges: Vec<_> = live.iter().map(|it| it.as_ref().map(edge).unwrap_or_default()).collect();
    let mut merged = Vec::with_capacity(live.len() + applied.len());
    let mut at = 0;
    for item in applied {
        while at < live.len() && !wanted.contains(&edges[at]) {
            merged.extend(live[at].take());
            at += 1;
        }
        let same = edge(item);
        let old = edges.iter().position(|it| *it == same).and_then(|it| live[it].take());
        merged.push(match old {
            Some(old) => merge(of, old, item),
            None => item.clone(),
        });
        while at < live.len() && live[at].is_none() {
            at += 1;
        }
    }
    merged.extend(live.into_iter().zip(&edges).filter(|(_, edge)| !wanted.contains(*edge)).filter_map(|(it, _)| it));
    Value::Array(merged)
}

/// Removes what was applied before (`last`) and is wanted by nobody now (`keep`).
pub fn prune(schema: &Schema, value: &mut Value, last: &FieldSet, keep: &FieldSet) {
    let any = Schema::default();
    match value {
        Value::Object(map) if !schema.atomic => {
            for (edge, below) in &last.children {
                let Some(key) = edge.strip_prefix("f:") else { continue };
                match keep.children.get(edge) {
                    None => drop(map.shift_remove(key)),
                    Some(kept) => {
                        if let Some(item) = map.get_mut(key) {
                            prune(typed(schema, key, &any).0, item, below, kept);
                        }
                    }
                }
            }
        }
        Value::Array(items) if is_granular_list(schema) => {
            let of = schema.items().map_or(&any, |it| it);
            items.retain_mut(|item| {
                let Some(edge) = edge_of(schema, item) else { return true };
                match (last.children.get(&edge), keep.children.get(&edge)) {
                    (Some(_), None) => false,
                    (Some(below), Some(kept)) => {
                        prune(of, item, below, kept);
                        true
                    }
                    (None, _) => true,
                }
            });
        }
        _ => {}
    }
}
