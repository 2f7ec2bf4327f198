//! Objects decoded without `metadata.managedFields`, which is half of a small object and never a column.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// An object without `metadata.managedFields`.
pub struct Outline(pub Value);

/// The keys of one level, of which one leads further and one is left out.
struct Level {
    /// Which key has a level of its own below it.
    into: Option<&'static str>,
    without: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Level { into: Some("metadata"), without: None }.deserialize(deserializer).map(Self)
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if self.without == Some(key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
            } else if self.into == Some(key.as_str()) {
                let below = Self { into: None, without: Some("managedFields") };
                map.insert(key, entries.next_value_seed(below)?);
            } else {
                map.insert(key, entries.next_value()?);
            }
        }
        Ok(Value::Object(map))
    }
}
