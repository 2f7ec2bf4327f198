//! Kubernetes objects as JSON values, and names for them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Labels and annotations; ordered, because their order can reach output.
pub type Labels = BTreeMap<String, String>;

/// Which object is meant. `namespace` is empty for cluster-scoped kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// `v1`, `apps/v1`, `flagger.app/v1beta1`, …
    pub api_version: String,
    /// `Deployment`, `Canary`, …
    pub kind: String,
    #[serde(default)]
    pub namespace: String,
    pub name: String,
}

impl ObjectRef {
    #[must_use]
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// What `object` calls itself; parts that it does not have are empty.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |pointer| object.at(pointer).and_then(Value::as_str).unwrap_or_default();
        Self::new(text("/apiVersion"), text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
    }
}

/// Looking into an object with a JSON pointer, as [`Value::pointer`] does, but without the copy that it makes of every key on
/// the way.
pub trait At {
    /// What is at the pointer (`/metadata/name`).
    fn at(&self, pointer: &str) -> Option<&Value>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Value> {
        let Some(keys) = pointer.strip_prefix('/').filter(|it| !it.contains('~')) else { return self.pointer(pointer) };
        keys.split('/').try_fold(self, |value, key| match value {
            Value::Object(map) => map.get(key),
            other => other.pointer(&format!("/{key}")),
        })
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(f, " in {}", self.namespace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pointer_finds_what_serde_json_finds() {
        let object = json!({ "a": { "b/c": [{ "d": 1 }, "e"], "": null, "~": 2 }, "f": "g" });
        for pointer in [
            "",
            "/",
            "a",
            "/a",
            "/a/",
            "/a/b~1c",
            "/a/b~1c/0/d",
            "/a/b~1c/1",
            "/a/b/c",
            "/a/~0",
            "/f",
            "/f/0",
            "/x",
            "/a/x/y",
        ] {
            assert_eq!(object.at(pointer), object.pointer(pointer), "{pointer}");
        }
        let list = json!([1, { "a": [2] }]);
        for pointer in ["/0", "/1/a/0", "/01", "/+1", "/2", "/-"] {
            assert_eq!(list.at(pointer), list.pointer(pointer), "{pointer}");
        }
    }
}
