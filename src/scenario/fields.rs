//! Reading maps field by field, collecting problems and going on.

use super::format::At;
use super::problem::{Problems, SourceId, nearest};
use crate::sys::yaml::{Data, Entry, Node, Place};
use std::collections::{BTreeMap, BTreeSet};

/// A map that is being read: fields are taken by name, and what nobody took is reported by [`Fields::finish`].
pub(super) struct Fields<'a> {
    source: SourceId,
    entries: &'a [Entry],
    place: Place,
    /// What the map is, with its article: `a scenario`, `the step`.
    what: &'a str,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts on a map. Everything else is a problem; nothing at all is an empty map.
    pub fn of(node: &'a Node, source: SourceId, what: &'a str, problems: &mut Problems) -> Option<Self> {
        let entries = match &node.data {
            Data::Map(entries) => entries.as_slice(),
            Data::Null => &[],
            _ => {
                let message = format!("{what} must be a map of fields, and this is {}", node.kind());
                problems.error((source, node.place), message, "write `field: value` lines below it");
                return None;
            }
        };
        report_repeated(entries, source, problems);
        Some(Self { source, entries, place: node.place, what, known: Vec::new() })
    }

    /// The value of a field, if it is there and not null.
    pub fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        let node = &self.entries.iter().find(|entry| entry.key == name)?.value;
        (node.data != Data::Null).then_some(node)
    }

    /// A field read by `read`, which reports its own problems.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&Node, &mut Cx<'_>) -> Option<T>,
    ) -> Option<At<T>> {
        let node = self.node(name)?;
        let value = read(node, &mut Cx { source: self.source, problems })?;
        Some(At { value, place: node.place })
    }

    /// As [`Fields::read`]; reports a field that is missing, and then gives none.
    pub fn need<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&Node, &mut Cx<'_>) -> Option<T>,
    ) -> Option<At<T>> {
        if self.node(name).is_none() {
            self.missing(name, problems);
            return None;
        }
        self.read(name, problems, read)
    }

    pub fn missing(&self, name: &str, problems: &mut Problems) {
        let message = format!("{} has no `{name}`", self.what);
        problems.error((self.source, self.place), message, format!("add `{name}:`"));
    }

    /// Every item of a list, each read by `read`.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        mut read: impl FnMut(&Node, &mut Cx<'_>) -> Option<T>,
    ) -> Vec<At<T>> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let Data::List(items) = &node.data else {
            let message = format!("`{name}` must be a list, and this is {}", node.kind());
            problems.error((self.source, node.place), message, "write each item on a line of its own, after `- `");
            return Vec::new();
        };
        let mut cx = Cx { source: self.source, problems };
        items.iter().filter_map(|it| Some(At { value: read(it, &mut cx)?, place: it.place })).collect()
    }

    /// A map whose keys are free and whose values are text.
    pub fn texts(&mut self, name: &'static str, problems: &mut Problems) -> BTreeMap<String, At<String>> {
        let Some(node) = self.node(name) else { return BTreeMap::new() };
        text_map(node, name, &mut Cx { source: self.source, problems })
    }

    /// Reports the fields that nobody took.
    pub fn finish(self, problems: &mut Problems) {
        let given: BTreeSet<&str> = self.entries.iter().map(|it| it.key.as_str()).collect();
        let free: Vec<&str> = self.known.iter().copied().filter(|name| !given.contains(name)).collect();
        for entry in self.entries.iter().filter(|it| !self.known.contains(&it.key.as_str())) {
            if problems.is_full() {
                return;
            }
            let message = format!("{} has no field `{}`", self.what, entry.key);
            let help = match nearest(&entry.key, &free) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("its fields are {}", self.known.join(", ")),
            };
            problems.error((self.source, entry.key_place), message, help);
        }
    }
}

/// Reports keys that a map has more than once.
pub(super) fn report_repeated(entries: &[Entry], source: SourceId, problems: &mut Problems) {
    let mut first = BTreeMap::new();
    for entry in entries {
        if let Some(line) = first.get(entry.key.as_str()) {
            let message = format!("`{}` is here twice; the first is on line {line}", entry.key);
            problems.error((source, entry.key_place), message, "keep one of them");
        } else {
            first.insert(entry.key.as_str(), entry.key_place.line);
        }
    }
}

/// Where a reader reports to.
pub(super) struct Cx<'p> {
    pub source: SourceId,
    pub problems: &'p mut Problems,
}

impl Cx<'_> {
    /// Reports an error at the node, and gives none so that readers can return it.
    pub fn fail<T>(&mut self, node: &Node, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.problems.error((self.source, node.place), message, help);
        None
    }
}

/// Text. What YAML reads as something else has to be quoted, because its text may be gone (`6.10` is the number 6.1).
pub(super) fn text(node: &Node, cx: &mut Cx<'_>) -> Option<String> {
    match &node.data {
        Data::Text(text) if !text.is_empty() => Some(text.clone()),
        Data::Text(_) => cx.fail(node, "this is empty", "write some text, or take the field out"),
        Data::Bool(_) | Data::Int(_) | Data::Float(_) => {
            let message = format!("this must be text, and YAML reads it as {}", node.kind());
            cx.fail(node, message, "put it in quotes")
        }
        _ => cx.fail(node, format!("this must be text, and it is {}", node.kind()), ""),
    }
}

/// Text, or a number or boolean whose text is meant.
pub(super) fn scalar(node: &Node, cx: &mut Cx<'_>) -> Option<String> {
    match &node.data {
        Data::Text(text) => Some(text.clone()),
        Data::Bool(it) => Some(it.to_string()),
        Data::Int(it) => Some(it.to_string()),
        Data::Float(it) => Some(it.to_string()),
        _ => cx.fail(node, format!("this must be text, and it is {}", node.kind()), ""),
    }
}

pub(super) fn number(node: &Node, cx: &mut Cx<'_>) -> Option<f64> {
    match node.data {
        Data::Int(it) => Some(it as f64),
        Data::Float(it) => Some(it),
        _ => cx.fail(node, format!("this must be a number, and it is {}", node.kind()), "write a number such as 10"),
    }
}

pub(super) fn whole(range: std::ops::RangeInclusive<i64>) -> impl Fn(&Node, &mut Cx<'_>) -> Option<i64> {
    move |node, cx| match node.data {
        Data::Int(it) if range.contains(&it) => Some(it),
        Data::Int(it) => {
            let (low, high) = (range.start(), range.end());
            let help =
                if *high == i64::MAX { format!("write {low} or more") } else { format!("write {low} to {high}") };
            cx.fail(node, format!("{it} is out of range"), help)
        }
        _ => cx.fail(
            node,
            format!("this must be a whole number, and it is {}", node.kind()),
            "write a number such as 10",
        ),
    }
}

pub(super) fn duration(node: &Node, cx: &mut Cx<'_>) -> Option<std::time::Duration> {
    const HELP: &str = "write a number and a unit, such as 500ms, 30s or 1m30s";
    match &node.data {
        Data::Int(0) => Some(std::time::Duration::ZERO),
        Data::Text(text) => match crate::model::duration::parse_go(text) {
            Ok(duration) => Some(duration),
            Err(error) => cx.fail(node, error.to_string(), HELP),
        },
        Data::Int(it) => cx.fail(node, format!("{it} has no unit"), HELP),
        _ => cx.fail(node, format!("this must be a duration, and it is {}", node.kind()), HELP),
    }
}

/// One of a closed list of words.
pub(super) fn word<'w, T: Copy>(
    what: &'w str,
    words: &'w [(&'static str, T)],
) -> impl Fn(&Node, &mut Cx<'_>) -> Option<T> + 'w {
    move |node, cx| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let Some(text) = node.as_text() else {
            let message = format!("{what} must be a word, and this is {}", node.kind());
            return cx.fail(node, message, format!("write one of {}", names.join(", ")));
        };
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let help = match nearest(text, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("write one of {}", names.join(", ")),
        };
        cx.fail(node, format!("`{text}` is not {what}"), help)
    }
}

/// A map whose keys are free and whose values are text.
pub(super) fn text_map(node: &Node, what: &str, cx: &mut Cx<'_>) -> BTreeMap<String, At<String>> {
    if !matches!(node.data, Data::Map(_)) {
        let message = format!("`{what}` must be a map of names and texts, and this is {}", node.kind());
        cx.problems.error((cx.source, node.place), message, "write `name: text` lines below it");
    }
    let read = |entry: &Entry| {
        let value = scalar(&entry.value, cx)?;
        Some((entry.key.clone(), At { value, place: entry.value.place }))
    };
    node.entries().iter().filter_map(read).collect()
}

/// The one entry of a map that stands for a choice: `- release: {…}`.
pub(super) fn one_key<'a>(node: &'a Node, what: &str, cx: &mut Cx<'_>) -> Option<&'a Entry> {
    match node.entries() {
        [entry] => Some(entry),
        [] => cx.fail(node, format!("{what} must be a map with one key, and this is {}", node.kind()), ""),
        [_, second, ..] => {
            let message = format!("{what} must have one key, and `{}` is a second one", second.key);
            let help = "indent its fields below the first key, or begin another one with `- `";
            cx.problems.error((cx.source, second.key_place), message, help);
            None
        }
    }
}
