//! How the tables are written.

use serde_json::{Value, json};

pub const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
pub const PODS: &str = "/api/v1/namespaces/{ns}/pods";
pub const SERVICES: &str = "/api/v1/namespaces/{ns}/services";
pub const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/{ns}/deployments";

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// The requests of one theme, in a namespace of that name.
pub struct Table {
    pub theme: &'static str,
    pub rows: Vec<Row>,
}

/// One request. `{ns}` stands for the namespace, `{x.rv}`, `{x.uid}`, `{x.name}` and `{x.continue}` for what the answer kept as
/// `x` says.
#[derive(Debug)]
pub struct Row {
    pub title: &'static str,
    pub method: &'static str,
    pub path: String,
    pub media: &'static str,
    pub body: String,
    pub accept: &'static str,
    pub keep: Option<&'static str>,
    pub code_only: bool,
    pub differs: Option<&'static str>,
    /// How often it is made again while there is no such kind.
    pub patience: usize,
}

impl Row {
    /// Keeps the answer under a name.
    pub fn keep(&mut self, name: &'static str) -> &mut Self {
        self.keep = Some(name);
        self
    }

    pub fn accept(&mut self, media: &'static str) -> &mut Self {
        self.accept = media;
        self
    }

    pub fn media(&mut self, media: &'static str) -> &mut Self {
        self.media = media;
        self
    }

    /// Only the code is compared: the text is that of another parser.
    pub fn code_only(&mut self) -> &mut Self {
        self.code_only = true;
        self
    }

    /// May have to wait for its kind.
    pub fn patient(&mut self) -> &mut Self {
        self.patience = super::arms::PATIENCE;
        self
    }

    /// Known to differ, and why.
    pub fn differs(&mut self, why: &'static str) -> &mut Self {
        self.differs = Some(why);
        self
    }
}

impl Table {
    pub fn new(theme: &'static str) -> Self {
        Self { theme, rows: Vec::new() }
    }

    pub fn ask(&mut self, title: &'static str, (method, path): (&'static str, &str), media: &'static str) -> &mut Row {
        let path = path.to_owned();
        let body = String::new();
        self.rows.push(Row {
            title,
            method,
            path,
            media,
            body,
            accept: JSON,
            keep: None,
            code_only: false,
            differs: None,
            patience: 0,
        });
        self.rows.last_mut().unwrap()
    }

    fn send(
        &mut self,
        title: &'static str,
        (method, path): (&'static str, &str),
        media: &'static str,
        body: impl ToString,
    ) -> &mut Row {
        let row = self.ask(title, (method, path), media);
        row.body = body.to_string();
        row
    }

    pub fn get(&mut self, title: &'static str, path: &str) -> &mut Row {
        self.ask(title, ("GET", path), JSON)
    }

    pub fn post(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("POST", path), JSON, body)
    }

    pub fn put(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("PUT", path), JSON, body)
    }

    pub fn merge(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("PATCH", path), MERGE, body)
    }

    pub fn strategic(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("PATCH", path), STRATEGIC, body)
    }

    pub fn json_patch(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("PATCH", path), JSON_PATCH, body)
    }

    pub fn apply(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("PATCH", path), APPLY, body)
    }

    pub fn delete(&mut self, title: &'static str, path: &str) -> &mut Row {
        self.ask(title, ("DELETE", path), JSON)
    }

    pub fn delete_with(&mut self, title: &'static str, path: &str, body: impl ToString) -> &mut Row {
        self.send(title, ("DELETE", path), JSON, body)
    }
}

/// `{path}/{name}`
pub fn at(path: &str, name: &str) -> String {
    format!("{path}/{name}")
}

pub fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "a": "1" } })
}

pub fn labelled(name: &str, labels: Value) -> Value {
    let mut object = map(name);
    object["metadata"]["labels"] = labels;
    object
}

pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "image": "podinfo:6.9.2" }] }
    })
}

/// A Deployment as a person would write it.
pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": "podinfo:6.9.2" }] }
            }
        }
    })
}

/// The object with this at the pointer.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { &mut object } else { object.pointer_mut(parent).unwrap() };
    parent[key] = value;
    object
}
