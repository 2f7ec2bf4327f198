//! The types of fields. One form for built-in kinds (read from `built_in.types`) and for custom ones (read from the
//! structural schema of their CRD), so that decoding, pruning, strategic merge and server-side apply have one table.

mod built_in;
pub mod check;
pub mod custom;
pub mod decode;
pub mod quantity;
pub mod structural;
pub mod typed;
pub mod unstructured;

use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of one value.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// The Go type's name of a built-in struct; empty otherwise.
    pub name: String,
    pub shape: Shape,
    /// Server-side apply treats the value as one thing.
    pub atomic: bool,
    /// A strategic merge patch merges the list instead of replacing it …
    pub merge: bool,
    /// … by this field of its items (none for lists of scalars).
    pub merge_key: Option<String>,
    /// The patch may name the keys that stay, `$retainKeys`.
    pub retain_keys: bool,
    /// What custom values must satisfy beyond their shape; built-in kinds have `validate` instead.
    pub rules: Option<Box<Rules>>,
}

/// The validations of a structural schema.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The schema names a type, which must hold; parts of `oneOf` and the like name none.
    pub typed: bool,
    pub nullable: bool,
    pub default: Option<Value>,
    pub allowed: Option<Vec<Value>>,
    pub pattern: Option<Regex>,
    pub format: String,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: bool,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Schema>,
}

/// What a value looks like.
#[derive(Debug, Clone, Default)]
pub enum Shape {
    /// Anything: unknown fields are kept.
    #[default]
    Any,
    Scalar(Scalar),
    Object(Fields),
    List(List),
}

/// Types without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    String,
    Int32,
    Int64,
    Number,
    Boolean,
    /// RFC 3339.
    Time,
    /// `500m`, `64Mi`, or a number.
    Quantity,
    IntOrString,
    /// Base64.
    Bytes,
}

/// The fields of an object.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    pub known: BTreeMap<String, Arc<Schema>>,
    pub required: Vec<String>,
    /// The type of all other fields: a map.
    pub others: Option<Arc<Schema>>,
    /// Unknown fields are kept.
    pub keeps_unknown: bool,
}

/// The items of a list.
#[derive(Debug, Clone, Default)]
pub struct List {
    pub items: Arc<Schema>,
    pub kind: ListKind,
}

/// What identifies an item under server-side apply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListKind {
    /// The list is one thing.
    #[default]
    Atomic,
    /// The item itself.
    Set,
    /// These fields of the item.
    Map(Vec<String>),
}

impl Schema {
    /// The type of a built-in kind; anything if it is not known.
    pub fn built_in(api_version: &str, kind: &str) -> Arc<Self> {
        built_in::TYPES.get(&(api_version.to_owned(), kind.to_owned())).cloned().unwrap_or_default()
    }

    /// The type of `metadata`, which every kind shares.
    pub fn object_meta() -> Arc<Self> {
        let pod = Self::built_in("v1", "Pod");
        pod.field("metadata").cloned().unwrap_or_default()
    }

    pub fn scalar(scalar: Scalar) -> Self {
        Self { shape: Shape::Scalar(scalar), ..Self::default() }
    }

    /// The type of a field of an object; None if it is not known (which is not the same as anything).
    pub fn field(&self, name: &str) -> Option<&Arc<Self>> {
        match &self.shape {
            Shape::Object(fields) => fields.known.get(name).or(fields.others.as_ref()),
            _ => None,
        }
    }

    /// The type of the items of a list.
    pub fn items(&self) -> Option<&Arc<Self>> {
        match &self.shape {
            Shape::List(list) => Some(&list.items),
            _ => None,
        }
    }

    pub fn list_kind(&self) -> &ListKind {
        match &self.shape {
            Shape::List(list) => &list.kind,
            _ => &ListKind::Atomic,
        }
    }
}

/// The kind of a JSON value as Go's JSON decoder and the validators name it.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
