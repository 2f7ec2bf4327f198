//! Decoding built-in kinds: wrong types are refused as Go's JSON decoder does, unknown fields are dropped and told,
//! what Go would not write (null, empty lists and maps) is dropped.

use super::{Fields, List, Scalar, Schema, Shape, quantity};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What decoding found: unknown fields by path; the first type that is wrong stops it.
#[derive(Default)]
pub struct Decoder<'s> {
    pub unknown: Vec<String>,
    /// The way to the value, with indices: `spec.containers[0]`.
    path: Vec<Step<'s>>,
}

#[derive(Clone, Copy)]
enum Step<'s> {
    Field(&'s str),
    Index(usize),
}

/// Fields of strings that Go writes even when they are empty, because they are pointers.
const KEPT_EMPTY: [&str; 5] = ["storageClassName", "ingressClassName", "apiGroup", "controller", "holderIdentity"];

impl<'s> Decoder<'s> {
    /// Makes the value fit; the error is the text after "cannot be handled as a …: ".
    pub fn decode(&mut self, schema: &'s Schema, value: &mut Value) -> Result<(), String> {
        self.value(schema, value, "")
    }

    fn value(&mut self, schema: &'s Schema, value: &mut Value, holder: &str) -> Result<(), String> {
        match &schema.shape {
            Shape::Any => Ok(()),
            Shape::Scalar(scalar) => self.scalar(*scalar, value, holder),
            Shape::List(list) => self.list(list, value, holder),
            Shape::Object(fields) => self.object(schema, fields, value, holder),
        }
    }

    fn wrong(&self, value: &Value, holder: &str, go_type: &str) -> String {
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) | Value::Null => "object",
        };
        let fields: Vec<_> =
            self.path.iter().filter_map(|it| if let Step::Field(name) = it { Some(*name) } else { None }).collect();
        let place = fields.join(".");
        format!("json: cannot unmarshal {found} into Go struct field {holder}.{place} of type {go_type}")
    }

    fn scalar(&self, scalar: Scalar, value: &mut Value, holder: &str) -> Result<(), String> {
        let wrong = |value: &Value, go_type| Err(self.wrong(value, holder, go_type));
        match scalar {
            Scalar::String if !value.is_string() => wrong(value, "string"),
            Scalar::Boolean if !value.is_boolean() => wrong(value, "bool"),
            Scalar::Number if !value.is_number() => wrong(value, "float64"),
            Scalar::Int32 | Scalar::Int64 => {
                let go_type = if scalar == Scalar::Int32 { "int32" } else { "int64" };
                match integer(value) {
                    Some(number) if scalar == Scalar::Int64 || i32::try_from(number).is_ok() => {
                        *value = json!(number);
                        Ok(())
                    }
                    None if value.is_number() => {
                        let text = format!("number {value}");
                        Err(self.wrong(value, holder, go_type).replacen("number", &text, 1))
                    }
                    Some(number) => {
                        let text = format!("number {number}");
                        Err(self.wrong(value, holder, go_type).replacen("number", &text, 1))
                    }
                    None => wrong(value, go_type),
                }
            }
            Scalar::IntOrString if !value.is_string() => match integer(value) {
                Some(number) if i32::try_from(number).is_ok() => {
                    *value = json!(number);
                    Ok(())
                }
                _ => wrong(value, "int32"),
            },
            Scalar::Quantity => quantity_value(value),
            Scalar::Time => time_value(value).map_err(|it| it.unwrap_or_else(|| self.wrong(value, holder, "string"))),
            Scalar::Bytes => match value.as_str() {
                None => wrong(value, "[]uint8"),
                Some(text) => {
                    STANDARD.decode(text).map(drop).map_err(|_| "illegal base64 data at input byte 0".to_owned())
                }
            },
            _ => Ok(()),
        }
    }

    fn list(&mut self, list: &'s List, value: &mut Value, holder: &str) -> Result<(), String> {
        let Some(items) = value.as_array_mut() else {
            return Err(self.wrong(value, holder, &format!("[]{}", go_type(&list.items))));
        };
        for (index, item) in items.iter_mut().enumerate() {
            self.path.push(Step::Index(index));
            if !item.is_null() {
                self.value(&list.items, item, holder)?;
            }
            self.path.pop();
        }
        Ok(())
    }

    fn object(
        &mut self,
        schema: &'s Schema,
        fields: &'s Fields,
        value: &mut Value,
        holder: &str,
    ) -> Result<(), String> {
        let Some(map) = value.as_object_mut() else {
            return Err(self.wrong(value, holder, &go_type(schema)));
        };
        if let Some(others) = &fields.others {
            // A map: its keys are data, and so are empty texts.
            for (_, item) in map.iter_mut() {
                if item.is_null() {
                    *item = zero(others);
                }
                self.value(others, item, holder)?;
            }
            return Ok(());
        }
        let mut dropped = Vec::new();
        for (key, item) in map.iter_mut() {
            let Some((name, field)) = fields.known.get_key_value(key) else {
                self.unknown.push(self.place(key));
                dropped.push(key.clone());
                continue;
            };
            if item.is_null() {
                dropped.push(key.clone());
                continue;
            }
            self.path.push(Step::Field(name));
            self.value(field, item, &schema.name)?;
            self.path.pop();
            if is_unwritten(key, field, item) {
                dropped.push(key.clone());
            }
        }
        for key in dropped {
            map.shift_remove(&key);
        }
        Ok(())
    }

    fn place(&self, last: &str) -> String {
        let mut text = String::new();
        for step in self.path.iter().copied() {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => {
                    text.push('.');
                    text.push_str(name);
                }
                Step::Index(index) => {
                    let _ = write!(text, "[{index}]");
                }
            }
        }
        if text.is_empty() { last.to_owned() } else { format!("{text}.{last}") }
    }
}

/// A whole number; one that is written as `2.0` is none for Go's decoder.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64()
}

fn quantity_value(value: &mut Value) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(quantity::FAULT.to_owned()),
    };
    *value = Value::String(quantity::canonical(&text).ok_or(quantity::FAULT)?);
    Ok(())
}

/// Without a text the type is wrong; otherwise the text of Go's time parser.
fn time_value(value: &Value) -> Result<(), Option<String>> {
    let Some(text) = value.as_str() else { return Err(None) };
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(());
    }
    Err(Some(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\"")))
}

fn zero(schema: &Schema) -> Value {
    match &schema.shape {
        Shape::Scalar(Scalar::String | Scalar::Bytes) => json!(""),
        Shape::Scalar(Scalar::Quantity) => json!("0"),
        Shape::List(_) => json!([]),
        _ => json!({}),
    }
}

/// What Go's `omitempty` leaves out.
fn is_unwritten(key: &str, field: &Schema, value: &Value) -> bool {
    match (&field.shape, value) {
        (Shape::List(_), Value::Array(items)) => items.is_empty(),
        (Shape::Object(fields), Value::Object(map)) => fields.others.is_some() && map.is_empty(),
        (Shape::Scalar(Scalar::String), Value::String(text)) => text.is_empty() && !KEPT_EMPTY.contains(&key),
        _ => false,
    }
}

fn go_type(schema: &Schema) -> String {
    match &schema.shape {
        Shape::Any => "interface {}".to_owned(),
        Shape::Scalar(Scalar::Int32) => "int32".to_owned(),
        Shape::Scalar(Scalar::Int64) => "int64".to_owned(),
        Shape::Scalar(Scalar::Number) => "float64".to_owned(),
        Shape::Scalar(Scalar::Boolean) => "bool".to_owned(),
        Shape::Scalar(Scalar::Quantity) => "resource.Quantity".to_owned(),
        Shape::Scalar(_) => "string".to_owned(),
        Shape::List(list) => format!("[]{}", go_type(&list.items)),
        Shape::Object(Fields { others: Some(others), .. }) => format!("map[string]{}", go_type(others)),
        Shape::Object(_) => format!("v1.{}", schema.name),
    }
}
