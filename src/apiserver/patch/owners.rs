//! `managedFields`: who owns which field, kept up to date by every write.

use super::fields::FieldSet;
use super::walk::{self, Difference};
use crate::apiserver::meta;
use crate::apiserver::schema::Schema;
use crate::apiserver::status::{Cause, Reason, Status};
use crate::model::object::At;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Most managers of kind Update; older ones are put together under one name, as on the real server.
const MAX_UPDATE_MANAGERS: usize = 10;
const ANCIENT: &str = "ancient-changes";
/// Whoever set the fields of an object that nobody kept entries of.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Fields that nobody owns, because the server sets them or they name the object.
const NOBODYS: [&[&str]; 13] = [
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:deletionTimestamp"],
    &["f:metadata", "f:deletionGracePeriodSeconds"],
    &["f:metadata", "f:selfLink"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:clusterName"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:managedFields"],
    &["f:metadata", "f:resourceVersion"],
];

/// Who writes, how and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer<'a> {
    pub manager: &'a str,
    pub apply: bool,
    pub api_version: &'a str,
    /// `status`, `scale` or nothing.
    pub subresource: &'a str,
}

/// One entry of `managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    manager: String,
    apply: bool,
    api_version: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

impl Entry {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            apply: text("operation") == "Apply",
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: value.get("fieldsV1").map(FieldSet::read).unwrap_or_default(),
        }
    }

    fn write(&self) -> Value {
        let operation = if self.apply { "Apply" } else { "Update" };
        let mut value = json!({ "manager": self.manager, "operation": operation, "apiVersion": self.api_version });
        // Entries that clients write themselves have no time.
        if !self.time.is_empty() {
            value["time"] = json!(self.time);
        }
        value["fieldsType"] = json!("FieldsV1");
        value["fieldsV1"] = self.fields.write();
        if !self.subresource.is_empty() {
            value["subresource"] = json!(self.subresource);
        }
        value
    }

    /// The version does not tell appliers apart.
    fn is(&self, writer: &Writer<'_>) -> bool {
        self.manager == writer.manager
            && self.apply == writer.apply
            && self.subresource == writer.subresource
            && (self.apply || self.api_version == writer.api_version)
    }

    fn shown(&self) -> String {
        let mut text = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            let _ = write!(text, " with subresource \"{}\"", self.subresource);
        }
        if !self.apply {
            let _ = write!(text, " using {}", self.api_version);
        }
        text
    }
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    entries: Vec<Entry>,
}

/// Whether this is an object of the store, and not the nothing that a new one is compared with.
fn exists(object: &Value) -> bool {
    !meta::text(object, "uid").is_empty()
}

fn strip(set: &mut FieldSet) {
    for path in NOBODYS {
        set.cut(path);
    }
    if set.children.get("f:metadata").is_some_and(|it| it.children.is_empty()) {
        set.children.remove("f:metadata");
    }
}

impl Owners {
    pub fn of(object: &Value) -> Self {
        let list = object.at("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        Self { entries: list.map(Entry::read).collect() }
    }

    /// The entries that an update starts from: those that the client wrote, so that it can rename or merge managers, or the
    /// present ones where it wrote none or what nobody can read. One empty entry means none at all.
    pub fn told(old: &Value, new: &Value) -> Self {
        let readable =
            |it: &Value| it["fieldsType"] == "FieldsV1" && matches!(it["operation"].as_str(), Some("Apply" | "Update"));
        match new.at("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice) {
            Some([only]) if only.as_object().is_some_and(serde_json::Map::is_empty) => Self::default(),
            Some(list @ [_, ..]) if list.iter().all(readable) => Self::of(new),
            _ => Self::of(old),
        }
    }

    /// Writes the entries into the object: appliers first, then by time and name.
    pub fn put(mut self, object: &mut Value) {
        self.entries.retain(|it| !it.fields.is_empty());
        self.merge_ancient();
        self.entries.sort_by(|a, b| {
            let key = |it: &Entry| (!it.apply, it.time.clone(), it.manager.clone(), it.api_version.clone());
            key(a).cmp(&key(b)).then_with(|| a.subresource.cmp(&b.subresource))
        });
        if self.entries.is_empty() {
            meta::of(object).shift_remove("managedFields");
            return;
        }
        let list: Vec<_> = self.entries.iter().map(Entry::write).collect();
        meta::set(object, "managedFields", list);
    }

    fn merge_ancient(&mut self) {
        while self.entries.iter().filter(|it| !it.apply).count() > MAX_UPDATE_MANAGERS {
            let oldest = |entries: &[Entry], skip: &str| {
                let updates = entries.iter().enumerate().filter(|(_, it)| !it.apply && it.manager != skip);
                updates.min_by(|(_, a), (_, b)| a.time.cmp(&b.time)).map(|(at, _)| at)
            };
            let Some(at) = oldest(&self.entries, ANCIENT) else { return };
            let gone = self.entries.remove(at);
            match self.entries.iter_mut().find(|it| it.manager == ANCIENT && it.api_version == gone.api_version) {
                Some(ancient) => {
                    ancient.fields.unite(&gone.fields);
                    ancient.time = gone.time;
                }
                None => self.entries.push(Entry { manager: ANCIENT.to_owned(), subresource: String::new(), ..gone }),
            }
        }
    }

    /// The entry of the writer, made if it is missing.
    fn own(&mut self, writer: &Writer<'_>) -> &mut Entry {
        let at = self.entries.iter().position(|it| it.is(writer)).unwrap_or_else(|| {
            self.entries.push(Entry {
                manager: writer.manager.to_owned(),
                apply: writer.apply,
                api_version: writer.api_version.to_owned(),
                subresource: writer.subresource.to_owned(),
                time: String::new(),
                fields: FieldSet::default(),
            });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }

    /// After an update: what changed is the writer's and nobody else's, what is gone is nobody's. An object whose entries
    /// were taken away stays without until somebody applies it.
    pub fn update(&mut self, schema: &Schema, old: &Value, new: &Value, writer: &Writer<'_>, now: &str) {
        if self.lack(old) {
            return;
        }
        let mut found = Difference::between(schema, old, new);
        strip(&mut found.changed);
        strip(&mut found.removed);
        for entry in self.entries.iter_mut().filter(|it| !it.is(writer)) {
            entry.fields.subtract(&found.changed);
            entry.fields.subtract(&found.removed);
        }
        let own = self.own(writer);
        // The real server loses the time of whoever scales.
        if !found.changed.is_empty() && writer.subresource != "scale" {
            now.clone_into(&mut own.time);
        }
        if own.fields.is_empty() {
            // A new object, mostly: everything is the writer's, and nothing was there to be gone.
            own.fields = found.changed;
            return;
        }
        own.fields.unite(&found.changed);
        own.fields.subtract(&found.removed);
    }

    /// Whether the object is there and its entries were taken away.
    pub fn lack(&self, object: &Value) -> bool {
        self.entries.is_empty() && exists(object)
    }

    /// Before an apply of an object that lacks entries: its fields become those of one unknown manager. `old` is without
    /// what an apply cannot touch.
    pub fn adopt(&mut self, schema: &Schema, old: &Value, writer: &Writer<'_>, now: &str) {
        let before = Writer { manager: BEFORE_FIRST_APPLY, apply: false, subresource: "", ..*writer };
        self.update(schema, &json!({}), old, &before, now);
    }

    /// What the writer applied last, and what everyone else owns.
    pub fn split(&self, writer: &Writer<'_>) -> (FieldSet, FieldSet) {
        let (mut last, mut others) = (FieldSet::default(), FieldSet::default());
        for entry in &self.entries {
            if entry.is(writer) { last.unite(&entry.fields) } else { others.unite(&entry.fields) }
        }
        (last, others)
    }

    /// After an apply: the writer owns exactly what it applied. Fields of others that change are a conflict, or are taken
    /// over with force.
    pub fn apply(
        &mut self,
        schema: &Schema,
        (old, new): (&Value, &Value),
        applied: FieldSet,
        (writer, force): (&Writer<'_>, bool),
        now: &str,
    ) -> Result<(), Status> {
        let mut found = Difference::between(schema, old, new);
        strip(&mut found.changed);
        strip(&mut found.removed);
        let mut conflicts = Vec::new();
        for entry in self.entries.iter_mut().filter(|it| !it.is(writer)) {
            let both = entry.fields.common(&found.changed);
            if !both.is_empty() && !force {
                conflicts.push((entry.shown(), both.paths()));
            }
            entry.fields.subtract(&both);
            entry.fields.subtract(&found.removed);
        }
        if !conflicts.is_empty() {
            return Err(conflict(&conflicts));
        }
        let own = self.own(writer);
        writer.api_version.clone_into(&mut own.api_version);
        own.fields = applied;
        // Who only comes to own what is there already does so at no time.
        if !found.changed.is_empty() || !found.removed.is_empty() {
            now.clone_into(&mut own.time);
        }
        Ok(())
    }
}

/// The fields of an applied object that its applier comes to own.
pub fn applied(schema: &Schema, object: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    walk::fields_of(schema, object, &mut set);
    strip(&mut set);
    set
}

fn conflict(conflicts: &[(String, Vec<String>)]) -> Status {
    let count: usize = conflicts.iter().map(|(_, paths)| paths.len()).sum();
    let mut conflicts = conflicts.to_vec();
    conflicts.sort();
    let mut lines = Vec::new();
    let mut causes = Vec::new();
    for (manager, paths) in &conflicts {
        match paths.as_slice() {
            [one] if count == 1 => lines.push(format!("conflict with {manager}: {one}")),
            many => lines.push(format!("conflicts with {manager}:\n- {}", many.join("\n- "))),
        }
        causes.extend(paths.iter().map(|path| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {manager}"),
            field: path.clone(),
        }));
    }
    let word = if count == 1 { "conflict" } else { "conflicts" };
    let message = format!("Apply failed with {count} {word}: {}", lines.join("\n"));
    Status::new(409, Reason::Conflict, message).with_causes(causes)
}
