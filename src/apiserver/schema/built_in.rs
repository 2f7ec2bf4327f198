//! Reads `built_in.types`.

use super::{Fields, List, ListKind, Scalar, Schema, Shape};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const TABLE: &str = include_str!("built_in.types");

/// By `apiVersion` and `kind`. Read once; it cannot differ between runs.
pub(super) static TYPES: LazyLock<BTreeMap<(String, String), Arc<Schema>>> = LazyLock::new(|| Reader::default().read());

#[derive(Default)]
struct Reader<'a> {
    /// Each type's right side, and whether it is atomic.
    lines: BTreeMap<&'a str, (&'a str, bool)>,
    done: BTreeMap<&'a str, Arc<Schema>>,
}

impl Reader<'static> {
    fn read(mut self) -> BTreeMap<(String, String), Arc<Schema>> {
        let mut kinds = Vec::new();
        for line in TABLE.lines().filter(|it| !it.starts_with('#')) {
            let Some((head, fields)) = line.split_once(" = ") else { continue };
            let (name, version) = head.split_once(" @").unwrap_or((head, ""));
            let plain = name.trim_end_matches('!');
            self.lines.insert(plain, (fields, plain != name));
            if !version.is_empty() {
                kinds.push((version, plain));
            }
        }
        let short = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
        kinds.into_iter().map(|(version, name)| ((version.to_owned(), short(name)), self.named(name))).collect()
    }

    fn named(&mut self, name: &'static str) -> Arc<Schema> {
        if let Some(done) = self.done.get(name) {
            return Arc::clone(done);
        }
        let Some((line, atomic)) = self.lines.get(name).copied() else { return Arc::default() };
        let mut fields = Fields::default();
        for part in line.split(' ') {
            let Some((field, kind)) = part.split_once(':') else { continue };
            let plain = field.trim_end_matches('*');
            if plain != field {
                fields.required.push(plain.to_owned());
            }
            fields.known.insert(plain.to_owned(), self.typed(kind));
        }
        let name_in_go = name.rsplit('.').next().unwrap_or(name).to_owned();
        let schema = Arc::new(Schema { name: name_in_go, shape: Shape::Object(fields), atomic, ..Schema::default() });
        self.done.insert(name, Arc::clone(&schema));
        schema
    }

    /// `[Container]map(name)/merge=name/retainKeys`
    fn typed(&mut self, text: &'static str) -> Arc<Schema> {
        let mut parts = text.split('/');
        let base = parts.next().unwrap_or_default();
        let mut schema = self.base(base);
        for strategy in parts {
            let schema = Arc::make_mut(&mut schema);
            match strategy.split_once('=') {
                Some(("merge", key)) => (schema.merge, schema.merge_key) = (true, Some(key.to_owned())),
                _ if strategy == "merge" => schema.merge = true,
                _ => schema.retain_keys = true,
            }
        }
        schema
    }

    fn base(&mut self, text: &'static str) -> Arc<Schema> {
        let plain = text.trim_end_matches('!');
        let mut schema = if let Some(rest) = plain.strip_prefix('[') {
            let end = closing(rest, '[', ']');
            let kind = list_kind(&rest[end + 1..]);
            let list = List { items: self.typed(&rest[..end]), kind };
            Arc::new(Schema { shape: Shape::List(list), ..Schema::default() })
        } else if let Some(rest) = plain.strip_prefix('{') {
            let others = Some(self.typed(&rest[..closing(rest, '{', '}')]));
            Arc::new(Schema { shape: Shape::Object(Fields { others, ..Fields::default() }), ..Schema::default() })
        } else if let Some(scalar) = scalar(plain) {
            Arc::new(Schema::scalar(scalar))
        } else if plain == "any" {
            Arc::default()
        } else {
            self.named(plain)
        };
        if plain != text {
            Arc::make_mut(&mut schema).atomic = true;
        }
        schema
    }
}

/// Where the bracket that is already open closes.
fn closing(text: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    for (at, next) in text.char_indices() {
        match next {
            it if it == open => depth += 1,
            it if it == close && depth == 0 => return at,
            it if it == close => depth -= 1,
            _ => {}
        }
    }
    text.len() - 1
}

fn list_kind(text: &str) -> ListKind {
    let keys = text.strip_prefix("map(").and_then(|it| it.strip_suffix(')'));
    match keys {
        Some(keys) => ListKind::Map(keys.split(',').map(str::to_owned).collect()),
        None if text == "set" => ListKind::Set,
        None => ListKind::Atomic,
    }
}

fn scalar(text: &str) -> Option<Scalar> {
    Some(match text {
        "string" => Scalar::String,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "number" => Scalar::Number,
        "bool" => Scalar::Boolean,
        "time" | "microtime" => Scalar::Time,
        "quantity" => Scalar::Quantity,
        "intorstring" => Scalar::IntOrString,
        "bytes" => Scalar::Bytes,
        _ => return None,
    })
}
