//! `meta.k8s.io/v1 Table`: what `kubectl get` prints, decided by the server.

mod access;
mod age;
mod autoscaler;
mod built_in;
mod cluster;
mod json_path;
mod pod;
mod row;
mod storage;

use super::api;
use super::http::{Include, Shown};
use super::kinds::{Column, Kind};
use super::object::Object;
use crate::model::object::At;
use age::age;
use bytes::{BufMut, BytesMut};
pub use row::{Cell, Row};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// The columns of a built-in kind.
pub use built_in::cells;

/// The columns of a kind at one of its versions, and how an object becomes a row of them.
pub struct Table {
    kind: Arc<Kind>,
    version: String,
    pub columns: Vec<Value>,
    cells: Cells,
    options: Shown,
}

enum Cells {
    BuiltIn(Vec<Cell>),
    Custom(Vec<Column>),
}

impl Table {
    pub fn new(kind: &Arc<Kind>, version: &str, options: Shown) -> Self {
        if !kind.custom {
            return Self::built_in(kind, version, cells(&kind.key), options);
        }
        let served = kind.version(version).unwrap_or_else(|| kind.storage());
        let (kind, version, cells) = (Arc::clone(kind), version.to_owned(), or_age(&served.columns));
        Self { kind, version, columns: custom(&cells), cells: Cells::Custom(cells), options }
    }

    /// The table of a scale, whatever is scaled.
    pub fn of_scale(kind: &Arc<Kind>, version: &str, options: Shown) -> Self {
        Self::built_in(kind, version, built_in::scale(), options)
    }

    fn built_in(kind: &Arc<Kind>, version: &str, cells: Vec<Cell>, options: Shown) -> Self {
        let columns = cells.iter().map(|it| definition(it.name, it.of, "", "", it.priority)).collect();
        Self { kind: Arc::clone(kind), version: version.to_owned(), columns, cells: Cells::BuiltIn(cells), options }
    }

    /// Writes the row of an object.
    pub fn row(&self, object: &Arc<Object>, text: &mut BytesMut) {
        text.put_slice(br#"{"cells":"#);
        match &self.cells {
            Cells::BuiltIn(cells) => object.row(cells).write(self.options.now, text),
            Cells::Custom(columns) => {
                let _ = write!(text, "{}", custom_row(columns, &object.glance(), self.options));
            }
        }
        match self.options.include {
            Include::None => {}
            Include::Metadata => {
                text.put_slice(br#","object":"#);
                partial(object, text);
            }
            Include::Object => {
                text.put_slice(br#","object":"#);
                api::write_at_version(&self.kind, &self.version, object, text);
            }
        }
        text.put_u8(b'}');
    }
}

/// Writes the object's `PartialObjectMetadata`.
pub fn partial(object: &Object, text: &mut BytesMut) {
    let metadata = object.metadata();
    let metadata: &[u8] = if metadata.is_empty() { b"null" } else { metadata };
    text.put_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#);
    text.put_slice(metadata);
    text.put_u8(b'}');
}

fn definition(name: &str, of: &str, format: &str, description: &str, priority: i64) -> Value {
    let format = if name == "Name" { "name" } else { format };
    json!({ "name": name, "type": of, "format": format, "description": description, "priority": priority })
}

/// The printer columns of a custom kind, or its age if there are none.
fn or_age(columns: &[Column]) -> Vec<Column> {
    if !columns.is_empty() {
        return columns.to_vec();
    }
    vec![Column {
        name: "Age".to_owned(),
        kind: "date".to_owned(),
        format: String::new(),
        description: String::new(),
        priority: 0,
        json_path: ".metadata.creationTimestamp".to_owned(),
    }]
}

/// The columns of a custom kind: its name, then its own.
fn custom(columns: &[Column]) -> Vec<Value> {
    let mut definitions = vec![definition("Name", "string", "name", "", 0)];
    for Column { name, kind, format, description, priority, json_path } in columns {
        let told = format!("Custom resource definition column (in JSONPath format): {json_path}");
        let description = if description.is_empty() { &told } else { description };
        definitions.push(definition(name, kind, format, description, *priority));
    }
    definitions
}

fn custom_row(columns: &[Column], object: &Value, options: Shown) -> Value {
    let name = object.at("/metadata/name").cloned().unwrap_or_default();
    std::iter::once(name).chain(columns.iter().map(|it| custom_cell(it, object, options))).collect()
}

fn custom_cell(column: &Column, object: &Value, options: Shown) -> Value {
    let found = json_path::find(&column.json_path, object);
    let Some(first) = found.first() else { return Value::Null };
    match column.kind.as_str() {
        "date" => json!(age(first.as_str().unwrap_or_default(), options.now)),
        "integer" | "number" if first.is_number() => (*first).clone(),
        "boolean" if first.is_boolean() => (*first).clone(),
        "string" => {
            let texts: Vec<_> =
                found.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
            json!(texts.join(","))
        }
        _ => Value::Null,
    }
}
