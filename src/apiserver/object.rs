//! One version of an object, as it was committed: decoded, or as JSON, or both; whichever is asked for is made once.
//!
//! A decoded object takes several times the memory of its JSON. So where there are many objects, those that nobody has
//! used of late are kept as JSON alone (`rest`) and decoded again when somebody asks. And what clients read of an
//! object, in lists, in tables and in the watches of all of them, is one shared text.

use super::store::key_of;
use super::table::{Cell, Row};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// The fields that stand first in the text, in this order. Items of a list leave the first two out.
const FIRST: [&str; 3] = ["kind", "apiVersion", "metadata"];

#[derive(Debug)]
enum Form {
    Decoded(Arc<Value>),
    /// As JSON only; who still holds the decoded form may lend it.
    Resting(Weak<Value>),
}

/// An object that never changes. Its names are at hand without decoding it.
#[derive(Debug)]
pub struct Object {
    pub namespace: Box<str>,
    pub name: Box<str>,
    form: Mutex<Form>,
    /// Since the last round of `rest`.
    used: AtomicBool,
    text: OnceLock<Text>,
    /// Where it is of a built-in kind and was shown in a table, or rests.
    row: OnceLock<Row>,
}

/// The JSON of an object.
#[derive(Debug)]
struct Text {
    json: Bytes,
    /// Where in it the value of `metadata` is.
    metadata: Range<usize>,
}

impl Text {
    fn of(value: &Value) -> Self {
        let Some(map) = value.as_object() else { return Self { json: value.to_string().into(), metadata: 0..0 } };
        let (mut json, mut metadata) = (vec![b'{'], 0..0);
        for (key, value) in map {
            if json.len() > 1 {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, key).expect(IN_MEMORY);
            json.push(b':');
            let begin = json.len();
            serde_json::to_writer(&mut json, value).expect(IN_MEMORY);
            if key == "metadata" {
                metadata = begin..json.len();
            }
        }
        json.push(b'}');
        Self { json: Bytes::from(json.into_boxed_slice()), metadata }
    }
}

impl Object {
    /// `kind`, `apiVersion` and `metadata` come to stand first.
    pub fn new(value: Value) -> Arc<Self> {
        let value = in_order(value);
        let (namespace, name) = key_of(&value);
        Arc::new(Self {
            namespace: Box::from(namespace),
            name: Box::from(name),
            form: Mutex::new(Form::Decoded(Arc::new(value))),
            used: AtomicBool::new(true),
            text: OnceLock::new(),
            row: OnceLock::new(),
        })
    }

    pub fn key(&self) -> (&str, &str) {
        (&self.namespace, &self.name)
    }

    fn form(&self) -> std::sync::MutexGuard<'_, Form> {
        self.form.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The decoded object, which stays decoded for a while.
    pub fn value(&self) -> Arc<Value> {
        self.used.store(true, Ordering::Relaxed);
        let mut form = self.form();
        let value = self.lent(&form);
        *form = Form::Decoded(Arc::clone(&value));
        value
    }

    /// The decoded object for one look: for those who look at many.
    pub fn glance(&self) -> Arc<Value> {
        self.lent(&self.form())
    }

    /// Its row in the table of its built-in kind, whose columns these are.
    pub fn row(&self, columns: &[Cell]) -> &Row {
        self.row.get_or_init(|| Row::of(columns, &self.glance()))
    }

    fn lent(&self, form: &Form) -> Arc<Value> {
        held(form).unwrap_or_else(|| Arc::new(serde_json::from_slice(self.kept()).expect(OWN_TEXT)))
    }

    fn kept(&self) -> &Bytes {
        &self.text.get().expect("an object rests only once its JSON has been made").json
    }

    fn text(&self) -> &Text {
        self.text.get().unwrap_or_else(|| {
            let value = self.glance();
            self.text.get_or_init(|| Text::of(&value))
        })
    }

    /// The object as JSON, in its storage version.
    pub fn json(&self) -> Bytes {
        self.text().json.clone()
    }

    /// The same to be copied at once.
    pub fn json_text(&self) -> &[u8] {
        &self.text().json
    }

    /// Its `metadata` as JSON; empty if it has none.
    pub fn metadata(&self) -> &[u8] {
        let text = self.text();
        &text.json[text.metadata.clone()]
    }

    /// The JSON of an object without the brace and the two fields that it begins with, as items of lists of built-in kinds are
    /// written; None if it does not begin so.
    pub fn without_type<'a>(json: &'a [u8], kind: &str, api_version: &str) -> Option<&'a [u8]> {
        let rest = json.strip_prefix(br#"{"kind":""#)?.strip_prefix(kind.as_bytes())?;
        let rest = rest.strip_prefix(br#"","apiVersion":""#)?.strip_prefix(api_version.as_bytes())?;
        rest.strip_prefix(br#"","#)
    }

    pub fn is_decoded(&self) -> bool {
        matches!(*self.form(), Form::Decoded(_))
    }

    /// Gives the decoded form up, unless it has been used since the last time. What clients will read is made before: its
    /// JSON, and its row where its kind has `columns`.
    pub fn rest(&self, columns: Option<&[Cell]>) {
        if self.used.swap(false, Ordering::Relaxed) || !self.is_decoded() {
            return;
        }
        self.json();
        if let Some(columns) = columns {
            self.row(columns);
        }
        let mut form = self.form();
        if let Form::Decoded(value) = &*form {
            *form = Form::Resting(Arc::downgrade(value));
        }
    }
}

const IN_MEMORY: &str = "a value has only texts as keys, and memory takes what is written";
const OWN_TEXT: &str = "it is the JSON of a value, which this program wrote";

fn held(form: &Form) -> Option<Arc<Value>> {
    match form {
        Form::Decoded(value) => Some(Arc::clone(value)),
        Form::Resting(value) => value.upgrade(),
    }
}

fn in_order(mut value: Value) -> Value {
    let Some(map) = value.as_object_mut() else { return value };
    if map.keys().zip(FIRST).all(|(key, first)| key == first) {
        return value;
    }
    let mut ordered = Map::with_capacity(map.len());
    for key in FIRST {
        if let Some(value) = map.get_mut(key).map(Value::take) {
            ordered.insert(key.to_owned(), value);
        }
    }
    for (key, value) in std::mem::take(map) {
        ordered.entry(key).or_insert(value);
    }
    Value::Object(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Arc<Object> {
        let metadata = json!({ "name": "p", "namespace": "n", "managedFields": [{ "a": "b" }] });
        let value = json!({ "metadata": metadata, "apiVersion": "v1", "kind": "Pod", "spec": { "x": 1.5 } });
        Object::new(value)
    }

    #[test]
    fn an_item_of_a_list_does_not_say_what_it_is() {
        let json = pod().json();
        let item = Object::without_type(&json, "Pod", "v1").unwrap();
        assert_eq!(
            std::str::from_utf8(item).unwrap(),
            r#""metadata":{"name":"p","namespace":"n","managedFields":[{"a":"b"}]},"spec":{"x":1.5}}"#
        );
        assert_eq!(Object::without_type(&json, "Pod", "v2"), None);
    }

    #[test]
    fn what_rests_is_the_same_when_it_is_decoded_again() {
        let object = pod();
        let before = object.value();
        object.rest(None);
        assert!(object.is_decoded(), "it was used");
        object.rest(None);
        assert!(!object.is_decoded());
        assert!(Arc::ptr_eq(&before, &object.glance()), "somebody still holds it");
        let text = before.to_string();
        drop(before);
        assert_eq!(object.glance().to_string(), text);
        assert_eq!(object.metadata(), br#"{"name":"p","namespace":"n","managedFields":[{"a":"b"}]}"#);
        assert!(!object.is_decoded(), "a glance changes nothing");
        assert_eq!(object.value().to_string(), text);
        assert!(object.is_decoded());
        assert_eq!(object.key(), ("n", "p"));
    }
}
