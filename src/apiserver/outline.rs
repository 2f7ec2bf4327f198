//! Objects decoded without the greater part of most of them, which is never a column of a built-in kind.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Lists and objects under these names are left out; texts are not, for a label may have any name.
const WITHOUT: [&str; 14] = [
    "affinity",
    "annotations",
    "args",
    "command",
    "env",
    "envFrom",
    "livenessProbe",
    "managedFields",
    "readinessProbe",
    "resources",
    "securityContext",
    "tolerations",
    "volumeMounts",
    "volumes",
];

/// An object without what no column shows.
pub struct Outline(pub Value);

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part { kept: true }.deserialize(deserializer).map(|it| Self(it.unwrap_or_default()))
    }
}

/// A value, and whether it is kept should it be a list or an object.
struct Part {
    kept: bool,
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<Value>, A::Error> {
        if !self.kept {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(None);
        }
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let kept = WITHOUT.binary_search(&key.as_str()).is_err();
            if let Some(value) = entries.next_value_seed(Self { kept })? {
                map.insert(key, value);
            }
        }
        Ok(Some(Value::Object(map)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Value>, A::Error> {
        if !self.kept {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(None);
        }
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self { kept: true })? {
            list.extend(item);
        }
        Ok(Some(Value::Array(list)))
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(Some(Value::Null))
    }

    fn visit_bool<E>(self, it: bool) -> Result<Option<Value>, E> {
        Ok(Some(Value::Bool(it)))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Option<Value>, E> {
        Ok(Some(Value::from(it)))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Option<Value>, E> {
        Ok(Some(Value::from(it)))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Option<Value>, E> {
        Ok(Some(Value::from(it)))
    }

    fn visit_str<E>(self, it: &str) -> Result<Option<Value>, E> {
        Ok(Some(Value::from(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_column_shows_is_left_out_whatever_its_depth_and_labels_stay() {
        assert!(WITHOUT.is_sorted());
        let object = json!({
            "metadata": { "labels": { "env": "prod" }, "managedFields": [{ "a": 1 }] },
            "spec": { "containers": [{ "name": "c", "env": [{ "name": "A" }], "restarts": 1.5 }, null], "volumes": [], "x": -1 }
        });
        let Outline(outline) = serde_json::from_str(&object.to_string()).unwrap();
        let wanted = json!({
            "metadata": { "labels": { "env": "prod" } },
            "spec": { "containers": [{ "name": "c", "restarts": 1.5 }, null], "x": -1 }
        });
        assert_eq!(outline, wanted);
    }
}
