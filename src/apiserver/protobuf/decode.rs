//! From a message to the JSON that Go would have written of it.

use super::table::{self, Field, Many, Message, Place, Type};
use super::wire::{self, Reader, Wire};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// How deep messages may lie in each other. The deepest that means something are the schemas of CustomResourceDefinitions.
const MAX_DEPTH: usize = 64;

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("unexpected EOF")]
    Truncated,
    #[error("proto: integer overflow")]
    Varint,
    #[error("proto: illegal wireType {0}")]
    WireType(u64),
    #[error("proto: wrong wireType for field {0}")]
    Type(String),
    #[error("proto: a text is not UTF-8")]
    NotText,
    #[error("proto: a time is out of range")]
    Time,
    #[error("json: {0}")]
    Json(String),
    #[error("proto: messages lie more than {MAX_DEPTH} deep in each other")]
    Depth,
}

/// The message's JSON.
pub fn message(of: &Message, bytes: &[u8]) -> Result<Value, Fault> {
    decoded(of, bytes, MAX_DEPTH)
}

fn decoded(of: &Message, bytes: &[u8], depth: usize) -> Result<Value, Fault> {
    let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
    let mut found = Map::new();
    let mut instead = None;
    let mut fields = Reader::new(bytes);
    while let Some((number, wire)) = fields.next()? {
        // Fields of a later Kubernetes are skipped, as Go's decoders do.
        let Some(field) = of.get(&number) else { continue };
        match field.place {
            Place::Named(name) => put(&mut found, name, field, wire, depth)?,
            Place::Inline => {
                if let Value::Object(inner) = one(field, "", wire, depth)? {
                    found.extend(inner);
                }
            }
            // Of the two, what is an object counts: `allows` of a schema or a bool is written beside the schema.
            Place::Instead => {
                let mut holder = Map::new();
                put(&mut holder, "it", field, wire, depth)?;
                let value = holder.remove("it").unwrap_or(Value::Null);
                instead = match instead {
                    Some(Value::Object(schema)) => Some(Value::Object(schema)),
                    Some(Value::Array(mut all)) if value.is_array() => {
                        all.extend(value.as_array().into_iter().flatten().cloned());
                        Some(Value::Array(all))
                    }
                    _ => Some(value),
                };
            }
        }
    }
    Ok(instead.unwrap_or(Value::Object(found)))
}

/// Adds one field as it was read; a list's field comes once for each item.
fn put(found: &mut Map<String, Value>, name: &str, field: &Field, wire: Wire, depth: usize) -> Result<(), Fault> {
    match field.many {
        Many::One => {
            let value = one(field, name, wire, depth)?;
            if field.keeps_zero || !left_out(&field.kind, &value) {
                found.insert(name.to_owned(), value);
            }
        }
        Many::List => {
            let items = items(field, name, wire, depth)?;
            if let Value::Array(all) = found.entry(name).or_insert_with(|| json!([])) {
                all.extend(items);
            }
        }
        Many::Map => {
            let (key, value) = entry(field, name, wire, depth)?;
            found.entry(name).or_insert_with(|| json!({}))[key] = value;
        }
    }
    Ok(())
}

/// What Go's `omitempty` leaves out: zero, except of structs.
fn left_out(kind: &Type, value: &Value) -> bool {
    match value {
        Value::Null => *kind == Type::Json,
        Value::Bool(it) => !it,
        Value::Number(it) => *kind != Type::IntOrString && it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty() && !matches!(kind, Type::Quantity | Type::IntOrString),
        Value::Array(it) => it.is_empty(),
        Value::Object(_) => false,
    }
}

/// One item, or many numbers packed into one run of bytes.
fn items(field: &Field, name: &str, wire: Wire, depth: usize) -> Result<Vec<Value>, Fault> {
    if let (Type::Int, Wire::Bytes(packed)) = (&field.kind, wire) {
        let (mut all, mut numbers) = (Vec::new(), Reader::new(packed));
        while !numbers.is_empty() {
            all.push(json!(numbers.varint()? as i64));
        }
        return Ok(all);
    }
    Ok(vec![one(field, name, wire, depth)?])
}

/// A map's entry: a message of a key and a value.
fn entry(field: &Field, name: &str, wire: Wire, depth: usize) -> Result<(String, Value), Fault> {
    let mut fields = Reader::new(run(name, wire)?);
    let (mut key, mut value) = (String::new(), Wire::Bytes(&[]));
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => wire::text(run(name, wire)?)?.clone_into(&mut key),
            2 => value = wire,
            _ => {}
        }
    }
    Ok((key, one(field, name, value, depth)?))
}

fn one(field: &Field, name: &str, wire: Wire, depth: usize) -> Result<Value, Fault> {
    let wrong = || Fault::Type(name.to_owned());
    Ok(match (&field.kind, wire) {
        (Type::Bool, Wire::Varint(it)) => json!(it != 0),
        (Type::Int, Wire::Varint(it)) => json!(it as i64),
        (Type::Double, Wire::Eight(it)) => number(f64::from_le_bytes(it)),
        (Type::Text, Wire::Bytes(it)) => json!(wire::text(it)?),
        (Type::Bytes, Wire::Bytes(it)) => json!(BASE64_STANDARD.encode(it)),
        (Type::Time | Type::MicroTime, Wire::Bytes(it)) => time(&field.kind, name, it)?,
        (Type::Quantity, Wire::Bytes(it)) => json!(wire::text(part(name, it, 1)?.unwrap_or_default())?),
        (Type::IntOrString, Wire::Bytes(it)) => int_or_string(name, it)?,
        (Type::Json, Wire::Bytes(it)) => match part(name, it, 1)? {
            None | Some([]) => Value::Null,
            Some(text) => serde_json::from_slice(text).map_err(|it| Fault::Json(it.to_string()))?,
        },
        (Type::Texts, Wire::Bytes(it)) => texts(name, it)?,
        (Type::Message(message), Wire::Bytes(it)) => decoded(table::message(message).ok_or_else(wrong)?, it, depth)?,
        _ => return Err(wrong()),
    })
}

fn run<'a>(name: &str, wire: Wire<'a>) -> Result<&'a [u8], Fault> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        _ => Err(Fault::Type(name.to_owned())),
    }
}

/// The last field of that number in a small message, which is a run of bytes.
fn part<'a>(name: &str, bytes: &'a [u8], wanted: u64) -> Result<Option<&'a [u8]>, Fault> {
    let (mut found, mut fields) = (None, Reader::new(bytes));
    while let Some((number, wire)) = fields.next()? {
        if number == wanted {
            found = Some(run(name, wire)?);
        }
    }
    Ok(found)
}

fn texts(name: &str, bytes: &[u8]) -> Result<Value, Fault> {
    let (mut all, mut fields) = (Vec::new(), Reader::new(bytes));
    while let Some((number, wire)) = fields.next()? {
        if number == 1 {
            all.push(json!(wire::text(run(name, wire)?)?));
        }
    }
    Ok(Value::Array(all))
}

/// Go writes a whole number without a fraction.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { json!(value as i64) } else { json!(value) }
}

/// Type 0 is the number, 1 the text.
fn int_or_string(name: &str, bytes: &[u8]) -> Result<Value, Fault> {
    let (mut is_text, mut number, mut text) = (false, 0_i64, "");
    let mut fields = Reader::new(bytes);
    while let Some((at, wire)) = fields.next()? {
        match (at, wire) {
            (1, Wire::Varint(it)) => is_text = it != 0,
            (2, Wire::Varint(it)) => number = it as i64,
            (3, wire) => text = wire::text(run(name, wire)?)?,
            _ => {}
        }
    }
    Ok(if is_text { json!(text) } else { json!(number) })
}

/// Seconds and nanoseconds since 1970; the empty message is the zero time, which is null in JSON.
fn time(kind: &Type, name: &str, bytes: &[u8]) -> Result<Value, Fault> {
    let (mut seconds, mut nanoseconds) = (0_i64, 0_i64);
    let mut fields = Reader::new(bytes);
    if fields.is_empty() {
        return Ok(Value::Null);
    }
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Varint(it)) => seconds = it as i64,
            (2, Wire::Varint(it)) => nanoseconds = it as i64,
            (1 | 2, _) => return Err(Fault::Type(name.to_owned())),
            _ => {}
        }
    }
    let nanoseconds = i32::try_from(nanoseconds).map_err(|_| Fault::Time)?;
    let at = Timestamp::new(seconds, nanoseconds).map_err(|_| Fault::Time)?;
    let format = if *kind == Type::Time { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
    Ok(json!(at.strftime(format).to_string()))
}
