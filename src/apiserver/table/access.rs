//! The columns of bindings: to which role, and whom.

use super::Cell;
use super::built_in::{AGE, NAME, list, text};
use serde_json::{Value, json};

pub fn bindings() -> Vec<Cell> {
    vec![
        NAME,
        Cell("Role", "string", 0, |it, _| {
            json!(format!("{}/{}", text(it, "/roleRef/kind"), text(it, "/roleRef/name")))
        }),
        AGE,
        Cell("Users", "string", 1, |it, _| subjects(it, "User")),
        Cell("Groups", "string", 1, |it, _| subjects(it, "Group")),
        Cell("ServiceAccounts", "string", 1, |it, _| subjects(it, "ServiceAccount")),
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
