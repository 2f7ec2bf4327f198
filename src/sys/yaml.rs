//! YAML with places: a tree in which every key and value knows its line and column.
//!
//! serde stops at the first error. A person who wrote a file wants all of them, so files that people write are read into
//! this tree first, and what they mean is read from the tree.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Longest text that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting that is read; a level takes some 30 KiB of stack in a debug build, and threads have 2 MiB.
pub const MAX_DEPTH: usize = 48;
/// Most nodes in one text, aliases counted as often as they are used.
pub const MAX_NODES: usize = 50_000;
/// Most documents in one text.
pub const MAX_DOCUMENTS: usize = 200;

/// Where something stands in a text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// Length in characters, of its first line at most; 0 where it is not known.
    pub length: usize,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: usize::try_from(location.line()).unwrap_or_default(),
            column: usize::try_from(location.column()).unwrap_or_default(),
            length: usize::try_from(location.span().len()).unwrap_or_default(),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub data: Data,
}

/// What a node holds. Maps keep the order of the text, and keys that occur twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Null,
    Bool(bool),
    Int(i64),
    /// Finite.
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl Node {
    /// The entries of a map; none for everything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        if let Data::Map(entries) = &self.data { entries } else { &[] }
    }

    /// The items of a list; none for everything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        if let Data::List(items) = &self.data { items } else { &[] }
    }

    /// The value of a key, if this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value at a JSON pointer, `/spec/analysis/stepWeights/1`.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Node> {
        pointer.split('/').skip(1).try_fold(self, |node, part| match &node.data {
            Data::List(items) => items.get(part.parse::<usize>().ok()?),
            _ => node.get(part),
        })
    }

    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    /// What it is, for messages: `a number`, `a list`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Int(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// The same without places. Of a key that occurs twice the last one counts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(it) => Value::Bool(*it),
            Data::Int(it) => Value::from(*it),
            Data::Float(it) => Value::from(*it),
            Data::Text(it) => Value::String(it.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }
}

/// How plain words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As kubectl reads manifests: `yes` and `on` are true, `0644` is octal.
    Kubernetes,
    /// As YAML 1.2 reads them: only `true` and `false` are booleans; `0644` is octal here too.
    Strict,
}

/// A text that is not YAML, or too big.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    pub place: Option<Place>,
    pub message: String,
}

/// Reads every document of a text; empty documents are left out. Anchors, aliases and merge keys are resolved.
///
/// # Errors
/// The first place where the text is not YAML, or the limit that it breaks.
pub fn documents(text: &str, dialect: Dialect) -> Result<Vec<Node>, YamlError> {
    if text.len() > MAX_BYTES {
        let message = format!("it has {} bytes, and at most {MAX_BYTES} are read", text.len());
        return Err(YamlError { place: None, message });
    }
    let documents: Vec<Spanned<Raw>> =
        serde_saphyr::from_multiple_with_options(text, options(dialect)).map_err(|error| plain(&error))?;
    Ok(documents.into_iter().map(Node::from).filter(|node| node.data != Data::Null).collect())
}

fn options(dialect: Dialect) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_documents: MAX_DOCUMENTS,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        legacy_octal_numbers: true,
        strict_booleans: dialect == Dialect::Strict,
        with_snippet: false,
    }
}

/// The parser's words and place, without its own drawing of the line.
fn plain(error: &serde_saphyr::Error) -> YamlError {
    let place = error.location().map(Place::from).filter(|place| place.line > 0);
    let text = error.without_snippet().to_string();
    // The parser repeats the place at the end of its message.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    YamlError { place, message }
}

/// A value on its way out of the parser, which knows its place only from outside.
enum Raw {
    Data(Data),
}

impl From<Spanned<Raw>> for Node {
    fn from(spanned: Spanned<Raw>) -> Self {
        let Raw::Data(data) = spanned.value;
        Self { place: spanned.referenced.into(), data }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor).map(Raw::Data)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_none<E>(self) -> Result<Data, E> {
        Ok(Data::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Data, E> {
        Ok(Data::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Data, E> {
        Ok(Data::Int(it))
    }

    fn visit_u64<E: serde::de::Error>(self, it: u64) -> Result<Data, E> {
        i64::try_from(it).map(Data::Int).map_err(|_| E::custom(format_args!("{it} is too big a number")))
    }

    fn visit_i128<E: serde::de::Error>(self, it: i128) -> Result<Data, E> {
        i64::try_from(it).map(Data::Int).map_err(|_| E::custom(format_args!("{it} is too big a number")))
    }

    fn visit_u128<E: serde::de::Error>(self, it: u128) -> Result<Data, E> {
        i64::try_from(it).map(Data::Int).map_err(|_| E::custom(format_args!("{it} is too big a number")))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Data, E> {
        Ok(if it.is_finite() { Data::Float(it) } else { Data::Text(it.to_string()) })
    }

    fn visit_str<E>(self, it: &str) -> Result<Data, E> {
        Ok(Data::Text(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Data, E> {
        Ok(Data::Text(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Data, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Raw>>()? {
            items.push(Node::from(item));
        }
        Ok(Data::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if entries.len() >= MAX_NODES {
                return Err(A::Error::custom("the map is too long"));
            }
            let value = Node::from(map.next_value::<Spanned<Raw>>()?);
            entries.push(Entry { key: key.value, key_place: key.referenced.into(), value });
        }
        Ok(Data::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        documents(text, Dialect::Strict).unwrap().remove(0)
    }

    fn place_of(node: &Node) -> (usize, usize, usize) {
        (node.place.line, node.place.column, node.place.length)
    }

    #[test]
    fn every_value_knows_its_place() {
        let node = one("name: a\nsteps:\n  - release: {tag: 6.9.3}\n  - wait:\n      weight: 10\n");
        assert_eq!(place_of(node.pointer("/name").unwrap()), (1, 7, 1));
        assert_eq!(place_of(node.pointer("/steps/0/release/tag").unwrap()), (3, 20, 5));
        assert_eq!(place_of(node.pointer("/steps/1/wait/weight").unwrap()), (5, 15, 2));
        assert_eq!(node.pointer("/steps/1/wait/weight").unwrap().data, Data::Int(10));
        assert_eq!(node.entries()[1].key_place.line, 2);
    }

    #[test]
    fn documents_keep_the_lines_of_the_whole_text() {
        let all = documents("a: 1\n---\n---\n# nothing\n---\nb: 2\n", Dialect::Kubernetes).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(place_of(all[1].get("b").unwrap()), (6, 4, 1));
    }

    #[test]
    fn manifests_are_read_as_kubectl_reads_them() {
        let json = |text, dialect| documents(text, dialect).unwrap()[0].to_json().to_string();
        assert_eq!(json("mode: 0644\non: yes", Dialect::Kubernetes), r#"{"mode":420,"on":true}"#);
        assert_eq!(json("mode: 0644\non: yes", Dialect::Strict), r#"{"mode":420,"on":"yes"}"#);
    }

    #[test]
    fn anchors_merges_and_keys_that_occur_twice() {
        let node = one("base: &b {x: 1, y: 2}\nother:\n  <<: *b\n  y: 3\nalias: *b\n");
        assert_eq!(node.get("other").unwrap().to_json()["x"], 1);
        assert_eq!(node.get("other").unwrap().to_json()["y"], 3);
        assert_eq!(place_of(node.get("alias").unwrap()).0, 5);
        assert_eq!(one("a: 1\na: 2\n").entries().len(), 2);
    }

    #[test]
    fn what_is_not_yaml_has_a_place_and_limits_hold() {
        let error = documents("a: 1\nb: [1, 2\nc: 3\n", Dialect::Strict).unwrap_err();
        assert!(error.place.is_some(), "{error:?}");
        assert!(!error.message.contains(" at line "), "{error:?}");
        assert!(documents(&"[".repeat(2000), Dialect::Strict).is_err());
        assert!(documents(&"x".repeat(MAX_BYTES + 1), Dialect::Strict).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(documents(bomb, Dialect::Strict).is_err());
    }
}
