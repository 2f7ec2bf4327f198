//! Whether a patched object fits its Go type, in the words of apimachinery's converter from unstructured objects, which is
//! what the real server says of strategic merge patches.

use super::{Fields, Scalar, Schema, Shape};
use serde_json::Value;

/// The first value that does not fit. Quantities, times and the like have texts of their own, which decoding gives.
pub fn fault(schema: &Schema, value: &Value) -> Option<String> {
    match (&schema.shape, value) {
        (_, Value::Null) | (Shape::Any, _) => None,
        (Shape::Scalar(scalar), _) => wrong_scalar(*scalar, value),
        (Shape::List(list), Value::Array(items)) => items.iter().find_map(|it| fault(&list.items, it)),
        (Shape::List(_), _) => Some(format!("cannot restore slice from {}", go_kind(value))),
        (Shape::Object(fields), Value::Object(map)) => map.iter().find_map(|(key, item)| {
            let field = fields.known.get(key).or(fields.others.as_ref())?;
            fault(field, item)
        }),
        (Shape::Object(Fields { others: Some(_), .. }), _) => {
            Some(format!("cannot restore map from {}", go_kind(value)))
        }
        (Shape::Object(_), _) => Some(format!("cannot restore struct from: {}", go_kind(value))),
    }
}

fn wrong_scalar(scalar: Scalar, value: &Value) -> Option<String> {
    let (fits, go_type) = match scalar {
        Scalar::String => (value.is_string(), "string"),
        Scalar::Int32 => (value.is_number(), "int32"),
        Scalar::Int64 => (value.is_number(), "int64"),
        Scalar::Number => (value.is_number(), "float64"),
        Scalar::Boolean => (value.is_boolean(), "bool"),
        Scalar::Time | Scalar::Quantity | Scalar::IntOrString | Scalar::Bytes => return None,
    };
    (!fits).then(|| format!("unrecognized type: {go_type}"))
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// JSON with the keys in order, as Go writes maps.
pub fn ordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(ordered).collect(),
        Value::Object(map) => {
            let mut parts: Vec<_> = map.iter().map(|(key, item)| (key.clone(), ordered(item))).collect();
            parts.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(parts.into_iter().collect())
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Schema, fault, ordered};
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_told_in_go_s_words() {
        let schema = Schema::built_in("apps/v1", "Deployment");
        let cases = [
            (json!({ "spec": { "replicas": "four" } }), Some("unrecognized type: int32")),
            (json!({ "spec": { "paused": 1 } }), Some("unrecognized type: bool")),
            (json!({ "spec": { "template": "x" } }), Some("cannot restore struct from: string")),
            (json!({ "metadata": { "labels": 5 } }), Some("cannot restore map from int64")),
            (json!({ "metadata": { "finalizers": {} } }), Some("cannot restore slice from map")),
            (json!({ "spec": { "replicas": 4, "selector": null, "unknown": [] } }), None),
        ];
        for (value, wanted) in cases {
            assert_eq!(fault(&schema, &value).as_deref(), wanted, "{value}");
        }
    }

    #[test]
    fn keys_come_in_order_at_every_depth() {
        let value = json!({ "b": [1, { "y": 1, "x": 2 }], "a": { "c": true } });
        assert_eq!(ordered(&value).to_string(), r#"{"a":{"c":true},"b":[1,{"x":2,"y":1}]}"#);
    }
}
