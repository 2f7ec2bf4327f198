//! The columns of bindings: to which role, and whom.

use super::built_in::{AGE, NAME, list, text};
use super::row::{Cell, cell};
use serde_json::{Value, json};

pub fn bindings() -> Vec<Cell> {
    vec![
        NAME,
        cell("Role", "string", 0, |it| json!(format!("{}/{}", text(it, "/roleRef/kind"), text(it, "/roleRef/name")))),
        AGE,
        cell("Users", "string", 1, |it| subjects(it, "User")),
        cell("Groups", "string", 1, |it| subjects(it, "Group")),
        cell("ServiceAccounts", "string", 1, |it| subjects(it, "ServiceAccount")),
    ]
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let found = list(binding, "/subjects").iter().filter(|it| text(it, "/kind") == kind);
    let names = found.map(|it| match text(it, "/namespace") {
        "" => text(it, "/name").to_owned(),
        namespace => format!("{namespace}/{}", text(it, "/name")),
    });
    json!(names.collect::<Vec<_>>().join(", "))
}
