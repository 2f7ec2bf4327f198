//! The operations of a kind, with the parameters that clients look for before they use them.

use super::{REF, identity};
use crate::apiserver::kinds::{Kind, Version};
use serde_json::{Map, Value, json};

const WRITE: [(&str, &str); 3] = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const LIST: [(&str, &str); 9] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const DELETE: [(&str, &str); 4] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
const FORCE: (&str, &str) = ("force", "boolean");

/// Adds the paths of a kind whose type is `name`.
pub(super) fn add(kind: &Kind, version: &Version, name: &str, paths: &mut Map<String, Value>) {
    let root = if kind.group.is_empty() { "api" } else { "apis" };
    let base = format!("/{root}/{}", kind.api_version_of(&version.name));
    let operations = Operations { kind, version: &version.name, name };
    let namespace = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    if kind.namespaced {
        paths.insert(format!("{base}/{}", kind.plural), json!({ "get": operations.of("list", &LIST, "List") }));
    }
    let collection = json!({
        "get": operations.of("list", &LIST, "List"),
        "post": operations.of("post", &WRITE, ""),
        "delete": operations.of("deletecollection", &[&DELETE[..], &LIST[..]].concat(), "")
    });
    let one = format!("{base}/{namespace}{}/{{name}}", kind.plural);
    paths.insert(format!("{base}/{namespace}{}", kind.plural), collection);
    let mut whole = operations.part();
    whole["delete"] = operations.of("delete", &DELETE, "");
    paths.insert(one.clone(), whole);
    if version.status {
        paths.insert(format!("{one}/status"), operations.part());
    }
}

struct Operations<'a> {
    kind: &'a Kind,
    version: &'a str,
    name: &'a str,
}

impl Operations<'_> {
    /// What an object and a part of it have in common.
    fn part(&self) -> Value {
        json!({
            "get": self.of("get", &[], ""),
            "put": self.of("put", &WRITE, ""),
            "patch": self.of("patch", &[&WRITE[..], &[FORCE]].concat(), "")
        })
    }

    fn of(&self, action: &str, parameters: &[(&str, &str)], suffix: &str) -> Value {
        let parameter = |(name, kind): &(&str, &str)| json!({ "name": name, "in": "query", "schema": { "type": kind, "uniqueItems": true } });
        let parameters: Vec<_> = parameters.iter().map(parameter).collect();
        let shown = json!({ "schema": { "$ref": format!("{REF}{}{suffix}", self.name) } });
        json!({
            "parameters": parameters,
            "responses": { "200": { "description": "OK", "content": { "application/json": shown, "application/yaml": shown } } },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": identity(self.kind, self.version, &self.kind.kind)
        })
    }
}
