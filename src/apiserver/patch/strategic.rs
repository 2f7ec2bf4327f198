//! Strategic merge patch: lists merge by their keys, and the patch may say more with `$` directives.

use crate::apiserver::schema::{Schema, Shape};
use crate::apiserver::status::{Reason, Status};
use serde_json::{Map, Value};

const ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// The object after the patch.
pub fn apply(schema: &Schema, target: Value, patch: Value) -> Result<Value, Status> {
    match patch {
        Value::Object(patch) => merge_map(schema, target, patch),
        _ => Err(Status::bad_request("error decoding patch: the patch of an object must be an object")),
    }
}

fn known<'a>(schema: &'a Schema, key: &str, any: &'a Schema) -> &'a Schema {
    match &schema.shape {
        Shape::Object(fields) => fields.known.get(key).or(fields.others.as_ref()).map_or(any, |it| it),
        _ => any,
    }
}

fn merge_map(schema: &Schema, target: Value, mut patch: Map<String, Value>) -> Result<Value, Status> {
    let mut map = match target {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    match patch.shift_remove("$patch").as_ref().and_then(Value::as_str) {
        None | Some("merge") => {}
        Some("replace") => return Ok(Value::Object(plain_map(patch))),
        Some("delete") => return Ok(Value::Object(Map::new())),
        Some(other) => {
            return Err(Status::new(500, Reason::Unknown, format!("Unknown patch type found: {other}")));
        }
    }
    if let Some(Value::Array(kept)) = patch.shift_remove("$retainKeys") {
        map.retain(|key, _| kept.iter().any(|it| it.as_str() == Some(key)));
    }
    let any = Schema::default();
    let orders = orders(schema, &map, &mut patch);
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE_FROM) {
            remove_scalars(map.get_mut(field), &value);
        } else if value.is_null() {
            map.shift_remove(&key);
        } else {
            let of = known(schema, &key, &any);
            let old = map.get_mut(&key).map(Value::take);
            let merged = match (old, value) {
                (Some(old @ Value::Object(_)), Value::Object(more)) => merge_map(of, old, more)?,
                (old, Value::Object(more)) => merge_map(of, old.unwrap_or_default(), more)?,
                (old, Value::Array(more)) => merge_list(of, old, more)?,
                (_, value) => value,
            };
            map.insert(key, merged);
        }
    }
    for Order { field, wished, before } in orders {
        if let Some(Value::Array(items)) = map.get_mut(&field) {
            sort(known(schema, &field, &any), items, &wished, &before);
        }
    }
    Ok(Value::Object(map))
}

/// An order that the patch asks for, and the one that was there before.
struct Order {
    field: String,
    wished: Vec<Value>,
    before: Vec<Value>,
}

/// Takes the order directives out of the patch.
fn orders(schema: &Schema, map: &Map<String, Value>, patch: &mut Map<String, Value>) -> Vec<Order> {
    let any = Schema::default();
    let keys: Vec<_> = patch.keys().filter(|it| it.starts_with(ORDER)).cloned().collect();
    let taken = keys.into_iter().filter_map(|key| {
        let wished = patch.shift_remove(&key)?;
        let field = key.strip_prefix(ORDER)?.to_owned();
        let of = known(schema, &field, &any);
        let list =
            |value: Option<&Value>| value.and_then(Value::as_array).map_or_else(Vec::new, |it| identities(of, it));
        Some(Order { wished: list(Some(&wished)), before: list(map.get(&field)), field })
    });
    taken.collect()
}

/// Without directives, as a value that replaces.
fn plain_map(map: Map<String, Value>) -> Map<String, Value> {
    let kept = map.into_iter().filter(|(key, value)| !key.starts_with('$') && !value.is_null());
    kept.map(|(key, value)| (key, plain(value))).collect()
}

fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(plain_map(map)),
        Value::Array(items) => {
            let kept = items.into_iter().filter(|it| it.get("$patch").is_none());
            Value::Array(kept.map(plain).collect())
        }
        other => other,
    }
}

fn remove_scalars(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(items)), Value::Array(gone)) = (list, gone) {
        items.retain(|it| !gone.contains(it));
    }
}

fn merge_list(schema: &Schema, old: Option<Value>, patch: Vec<Value>) -> Result<Value, Status> {
    let any = Schema::default();
    let mut items = match old {
        Some(Value::Array(items)) if schema.merge => items,
        _ if schema.merge => Vec::new(),
        _ => return Ok(plain(Value::Array(patch))),
    };
    let Some(key) = &schema.merge_key else {
        for item in patch {
            if !items.contains(&item) {
                items.push(item);
            }
        }
        return Ok(Value::Array(items));
    };
    let of = schema.items().map_or(&any, |it| it);
    if patch.iter().any(|it| directive(it) == "replace") {
        let rest = patch.into_iter().filter(|it| directive(it) != "replace");
        return Ok(plain(Value::Array(rest.collect())));
    }
    let (before, wished) = (identities(schema, &items), identities(schema, &patch));
    for item in patch {
        let Some(identity) = item.get(key).cloned() else {
            let message = format!("map: {item} does not contain declared merge key: {key}");
            return Err(Status::new(500, Reason::Unknown, message));
        };
        let at = items.iter().position(|it| it.get(key) == Some(&identity));
        match (directive(&item), at) {
            ("delete", _) => items.retain(|it| it.get(key) != Some(&identity)),
            (_, Some(at)) => items[at] = apply(of, items[at].take(), item)?,
            (_, None) => items.push(apply(of, Value::Object(Map::new()), item)?),
        }
    }
    sort(schema, &mut items, &wished, &before);
    Ok(Value::Array(items))
}

fn directive(item: &Value) -> &str {
    item.get("$patch").and_then(Value::as_str).unwrap_or_default()
}

fn identity(schema: &Schema, item: &Value) -> Value {
    match &schema.merge_key {
        Some(key) => item.get(key).cloned().unwrap_or_default(),
        None => item.clone(),
    }
}

fn identities(schema: &Schema, items: &[Value]) -> Vec<Value> {
    items.iter().map(|it| identity(schema, it)).collect()
}

/// Puts the items into the wished order. Items that the order does not name keep their place among those that were there
/// before; new items come first, as on the real server.
fn sort(schema: &Schema, items: &mut Vec<Value>, wished: &[Value], before: &[Value]) {
    let place = |list: &[Value], item: &Value| {
        let own = identity(schema, item);
        list.iter().position(|it| *it == own)
    };
    let (mut named, others): (Vec<_>, Vec<_>) = items.drain(..).partition(|it| place(wished, it).is_some());
    named.sort_by_key(|it| place(wished, it));
    let mut others = others.into_iter().peekable();
    for item in named {
        if let Some(at) = place(before, &item) {
            while let Some(other) = others.next_if(|it| place(before, it).is_some_and(|it| it < at)) {
                items.push(other);
            }
        }
        items.push(item);
    }
    items.extend(others);
}
