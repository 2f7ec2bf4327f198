//! Checking custom objects against their structural schema; the texts are those of kube-openapi's validator.

use super::custom::joined;
use super::{Fields, List, ListKind, Rules, Scalar, Schema, Shape, type_name};
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};

/// All faults of the value.
pub fn check(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(rules) = &schema.rules else { return };
    if value.is_null() && rules.nullable {
        return;
    }
    let fits = !rules.typed || has_type(&schema.shape, value);
    if !fits {
        let (found, wanted) = (type_name(value), wanted(&schema.shape));
        let detail = format!("{path} in body must be of type {wanted}: \"{found}\"");
        errors.push(FieldError::wrong_type(path, found, &detail));
    }
    if let Some(allowed) = &rules.allowed
        && !allowed.contains(value)
    {
        let names: Vec<_> =
            allowed.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
        errors.push(FieldError::unsupported(path, value, &names));
    }
    if !fits {
        return;
    }
    match value {
        Value::String(text) => check_text(rules, text, path, errors),
        Value::Number(_) => check_number(rules, value, path, errors),
        Value::Array(items) => check_list(schema, rules, items, path, errors),
        Value::Object(_) => check_object(schema, rules, value, path, errors),
        _ => {}
    }
    check_combined(rules, value, path, errors);
}

fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "any",
        Shape::Object(_) => "object",
        Shape::List(_) => "array",
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => "integer",
        Shape::Scalar(Scalar::Number) => "number",
        Shape::Scalar(Scalar::Boolean) => "boolean",
        Shape::Scalar(Scalar::IntOrString) => "integer,string",
        Shape::Scalar(_) => "string",
    }
}

fn has_type(shape: &Shape, value: &Value) -> bool {
    let whole = || value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|it| it.fract() == 0.0);
    match shape {
        Shape::Any => true,
        Shape::Object(_) => value.is_object(),
        Shape::List(_) => value.is_array(),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => value.is_number() && whole(),
        Shape::Scalar(Scalar::Number) => value.is_number(),
        Shape::Scalar(Scalar::Boolean) => value.is_boolean(),
        Shape::Scalar(Scalar::IntOrString) => value.is_string() || value.is_number() && whole(),
        Shape::Scalar(_) => value.is_string(),
    }
}

fn check_text(rules: &Rules, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    // Of length and pattern the first fault is told.
    let length = text.chars().count() as u64;
    if let Some(limit) = rules.max_length.filter(|it| length > *it) {
        errors.push(FieldError::too_long(path, limit as usize));
    } else if let Some(limit) = rules.min_length.filter(|it| length < *it) {
        let detail = format!("{path} in body should be at least {limit} chars long");
        errors.push(FieldError::invalid(path, &json!(text), &detail));
    } else if let Some(pattern) = rules.pattern.as_ref().filter(|it| !it.is_match(text)) {
        let detail = format!("{path} in body should match '{pattern}'");
        errors.push(FieldError::invalid(path, &json!(text), &detail));
    }
    if !has_format(&rules.format, text) {
        let detail = format!("{path} in body must be of type {}: \"{text}\"", rules.format);
        errors.push(FieldError::wrong_type(path, text, &detail));
    }
}

/// Formats that are checked; unknown ones are not, as on the real server.
fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uri" => url::Url::parse(text).is_ok(),
        "byte" => {
            use base64::{Engine, engine::general_purpose::STANDARD};
            STANDARD.decode(text).is_ok()
        }
        _ => true,
    }
}

fn check_number(rules: &Rules, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let number = value.as_f64().unwrap_or_default();
    if let Some(limit) = rules.minimum {
        if rules.exclusive_minimum && number <= limit {
            errors.push(FieldError::invalid(path, value, &format!("{path} in body should be greater than {limit}")));
        } else if number < limit {
            let detail = format!("{path} in body should be greater than or equal to {limit}");
            errors.push(FieldError::invalid(path, value, &detail));
        }
    }
    if let Some(limit) = rules.maximum {
        if rules.exclusive_maximum && number >= limit {
            errors.push(FieldError::invalid(path, value, &format!("{path} in body should be less than {limit}")));
        } else if number > limit {
            let detail = format!("{path} in body should be less than or equal to {limit}");
            errors.push(FieldError::invalid(path, value, &detail));
        }
    }
    if let Some(factor) = rules.multiple_of.filter(|it| *it > 0.0)
        && (number / factor).fract() != 0.0
    {
        errors.push(FieldError::invalid(path, value, &format!("{path} in body should be a multiple of {factor}")));
    }
}

fn check_list(schema: &Schema, rules: &Rules, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let count = items.len() as u64;
    if let Some(limit) = rules.max_items.filter(|it| count > *it) {
        errors.push(FieldError::too_many(path, items.len(), limit));
    }
    if let Some(limit) = rules.min_items.filter(|it| count < *it) {
        let detail = format!("{path} in body should have at least {limit} items");
        errors.push(FieldError::invalid(path, &json!(count), &detail));
    }
    let Shape::List(list) = &schema.shape else { return };
    for (index, item) in items.iter().enumerate() {
        check(&list.items, item, &format!("{path}[{index}]"), errors);
    }
    check_unique(list, items, path, errors);
}

fn check_unique(list: &List, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let identity = |item: &Value| match &list.kind {
        ListKind::Atomic => None,
        ListKind::Set => Some(item.clone()),
        ListKind::Map(keys) => {
            let parts = keys.iter().filter_map(|key| item.get(key).map(|value| (key.clone(), value.clone())));
            Some(Value::Object(parts.collect()))
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    for (index, identity) in items.iter().map(identity).enumerate() {
        let Some(identity) = identity else { return };
        if !seen.insert(identity.to_string()) {
            errors.push(FieldError::duplicate(format!("{path}[{index}]"), &identity));
        }
    }
}

fn check_object(schema: &Schema, rules: &Rules, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(map) = value.as_object() else { return };
    let count = map.len() as u64;
    if let Some(limit) = rules.max_properties.filter(|it| count > *it) {
        errors.push(FieldError::too_many(path, map.len(), limit));
    }
    if let Some(limit) = rules.min_properties.filter(|it| count < *it) {
        let detail = format!("{path} in body should have at least {limit} properties");
        errors.push(FieldError::invalid(path, &json!(count), &detail));
    }
    let Shape::Object(Fields { known, required, others, .. }) = &schema.shape else { return };
    for name in required.iter().filter(|it| !map.contains_key(*it)) {
        errors.push(FieldError::required(joined(path, name), ""));
    }
    let mut keys: Vec<_> = map.keys().collect();
    keys.sort();
    for key in keys {
        if let Some(field) = known.get(key).or(others.as_ref()) {
            check(field, &map[key], &joined(path, key), errors);
        }
    }
}

fn faults(schema: &Schema, value: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check(schema, value, path, &mut errors);
    errors
}

/// `allOf`, `anyOf`, `oneOf`, `not`. Where none fits, the faults of the first alternative are told too.
fn check_combined(rules: &Rules, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let nameless = |text: String| FieldError::invalid("<nil>", &json!(""), &text);
    for part in &rules.all_of {
        errors.extend(faults(part, value, path));
    }
    if !rules.any_of.is_empty() {
        let all: Vec<_> = rules.any_of.iter().map(|it| faults(it, value, path)).collect();
        if all.iter().all(|it| !it.is_empty()) {
            errors.push(nameless(format!("\"{path}\" must validate at least one schema (anyOf)")));
            errors.extend(closest(all));
        }
    }
    if !rules.one_of.is_empty() {
        let all: Vec<_> = rules.one_of.iter().map(|it| faults(it, value, path)).collect();
        let fitting = all.iter().filter(|it| it.is_empty()).count();
        let found = match fitting {
            0 => "Found none valid".to_owned(),
            many => format!("Found {many} valid alternatives"),
        };
        if fitting != 1 {
            errors.push(nameless(format!("\"{path}\" must validate one and only one schema (oneOf). {found}")));
        }
        if fitting == 0 {
            errors.extend(closest(all));
        }
    }
    if rules.not.as_ref().is_some_and(|it| faults(it, value, path).is_empty()) {
        errors.push(nameless(format!("\"{path}\" must not validate the schema (not)")));
    }
}

/// The alternative with the fewest faults, the first of them if several.
fn closest(all: Vec<Vec<FieldError>>) -> Vec<FieldError> {
    all.into_iter().min_by_key(Vec::len).unwrap_or_default()
}
