//! `meta.k8s.io/v1 Table`: what `kubectl get` prints, decided by the server.

mod access;
mod age;
mod autoscaler;
mod built_in;
mod cluster;
mod json_path;
mod pod;
mod storage;

use super::api;
use super::http::{Include, Shown};
use super::kinds::{Column, Kind};
use super::object::Object;
use age::age;
use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

/// A column of a built-in kind: name, type, priority, and what a cell shows.
struct Cell(&'static str, &'static str, i64, fn(&Value, &Shown) -> Value);

/// The columns of a kind at one of its versions, and how an object becomes a row of them.
pub struct Table {
    kind: Arc<Kind>,
    version: String,
    pub columns: Vec<Value>,
    cells: Cells,
    include: Include,
}

impl Table {
    pub fn new(kind: &Arc<Kind>, version: &str, options: Shown) -> Self {
        let (columns, cells): (Vec<Value>, Cells) = if kind.custom {
            let served = kind.version(version).unwrap_or_else(|| kind.storage());
            custom(&served.columns, options)
        } else {
            built_in(built_in::cells(&kind.key), options)
        };
        let (kind, version) = (Arc::clone(kind), version.to_owned());
        Self { kind, version, columns, cells, include: options.include }
    }

    /// The table of a scale, whatever is scaled.
    pub fn of_scale(kind: &Arc<Kind>, version: &str, options: Shown) -> Self {
        let (columns, cells) = built_in(built_in::scale(), options);
        let (kind, version) = (Arc::clone(kind), version.to_owned());
        Self { kind, version, columns, cells, include: options.include }
    }

    /// Writes the row of an object.
    pub fn row(&self, object: &Arc<Object>, text: &mut BytesMut) {
        // A custom column may show anything.
        let object_seen = if self.kind.custom { object.glance() } else { object.outline() };
        let cells = Value::from((self.cells)(&object_seen));
        let _ = write!(text, r#"{{"cells":{cells}"#);
        match self.include {
            Include::None => {}
            Include::Metadata => {
                text.put_slice(br#","object":"#);
                partial(object, text);
            }
            Include::Object => {
                text.put_slice(br#","object":"#);
                text.put_slice(&api::text_at_version(&self.kind, &self.version, object));
            }
        }
        text.put_u8(b'}');
    }
}

/// Writes the object's `PartialObjectMetadata`.
pub fn partial(object: &Object, text: &mut BytesMut) {
    let metadata = object.metadata();
    let metadata: &[u8] = if metadata.is_empty() { b"null" } else { &metadata };
    text.put_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#);
    text.put_slice(metadata);
    text.put_u8(b'}');
}

fn definition(name: &str, of: &str, format: &str, description: &str, priority: i64) -> Value {
    let format = if name == "Name" { "name" } else { format };
    json!({ "name": name, "type": of, "format": format, "description": description, "priority": priority })
}

fn built_in(cells: Vec<Cell>, options: Shown) -> (Vec<Value>, Cells) {
    let columns = cells.iter().map(|Cell(name, of, priority, _)| definition(name, of, "", "", *priority)).collect();
    (columns, Box::new(move |it| cells.iter().map(|Cell(.., show)| show(it, &options)).collect()))
}

type Cells = Box<dyn Fn(&Value) -> Vec<Value> + Send + Sync>;

/// The columns of a custom kind: its name, then the printer columns, or the age if there are none.
fn custom(columns: &[Column], options: Shown) -> (Vec<Value>, Cells) {
    let mut columns = columns.to_vec();
    if columns.is_empty() {
        columns.push(Column {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            format: String::new(),
            description: String::new(),
            priority: 0,
            json_path: ".metadata.creationTimestamp".to_owned(),
        });
    }
    let mut definitions = vec![definition("Name", "string", "name", "", 0)];
    for Column { name, kind, format, description, priority, json_path } in &columns {
        let told = format!("Custom resource definition column (in JSONPath format): {json_path}");
        let description = if description.is_empty() { &told } else { description };
        definitions.push(definition(name, kind, format, description, *priority));
    }
    let cells = move |object: &Value| {
        let mut row = vec![object.pointer("/metadata/name").cloned().unwrap_or_default()];
        row.extend(columns.iter().map(|it| custom_cell(it, object, options)));
        row
    };
    (definitions, Box::new(cells))
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
