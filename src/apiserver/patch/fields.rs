//! Sets of fields, in the form of `FieldsV1`: a tree whose edges are `f:name`, `k:{"key":…}` and `v:value`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A set of fields: this one itself, and those below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSet {
    pub member: bool,
    pub children: BTreeMap<String, FieldSet>,
}

/// The edge to a field.
pub fn field(name: &str) -> String {
    format!("f:{name}")
}

impl FieldSet {
    /// Reads `FieldsV1`.
    pub fn read(value: &Value) -> Self {
        let mut set = Self::default();
        let Some(map) = value.as_object() else { return set };
        set.member = map.is_empty() || map.contains_key(".");
        for (key, child) in map.iter().filter(|(key, _)| *key != ".") {
            set.children.insert(key.clone(), Self::read(child));
        }
        set
    }

    /// Writes `FieldsV1`.
    pub fn write(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (key, child) in &self.children {
            map.insert(key.clone(), child.write());
        }
        Value::Object(map)
    }

    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    pub fn child(&mut self, edge: String) -> &mut Self {
        self.children.entry(edge).or_default()
    }

    /// Drops branches that hold nothing.
    pub fn tidy(&mut self) {
        self.children.values_mut().for_each(Self::tidy);
        self.children.retain(|_, child| !child.is_empty());
    }

    /// Drops a branch, given by its edges.
    pub fn cut(&mut self, edges: &[&str]) {
        match edges {
            [] => {}
            [last] => drop(self.children.remove(*last)),
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.cut(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    pub fn unite(&mut self, other: &Self) {
        self.member |= other.member;
        for (edge, child) in &other.children {
            self.child(edge.clone()).unite(child);
        }
    }

    /// Takes away the members of the other set.
    pub fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (edge, theirs) in &other.children {
            if let Some(ours) = self.children.get_mut(edge) {
                ours.subtract(theirs);
                if ours.is_empty() {
                    self.children.remove(edge);
                }
            }
        }
    }

    /// The members that both have.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let mut set = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (edge, ours) in &self.children {
            if let Some(theirs) = other.children.get(edge) {
                let both = ours.common(theirs);
                if !both.is_empty() {
                    set.children.insert(edge.clone(), both);
                }
            }
        }
        set
    }

    /// The members as paths: `.spec.template.spec.containers[name="main"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, path: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(path.to_owned());
        }
        for (edge, child) in &self.children {
            child.collect(&format!("{path}{}", shown(edge)), paths);
        }
    }
}

fn shown(edge: &str) -> String {
    match edge.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", key)) => {
            let keys: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let parts: Vec<_> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", parts.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        _ => format!("[{edge}]"),
    }
}
