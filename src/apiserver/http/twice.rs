//! JSON in which a field may stand twice. The last one counts, as everywhere; whoever asks for it is told.

use crate::apiserver::options::TextFaults;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

/// The value of a text, and which fields it has twice.
pub fn read(bytes: &[u8]) -> serde_json::Result<(Value, TextFaults)> {
    let twice = Cell::new(false);
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { twice: &twice }.deserialize(&mut text)?;
    text.end()?;
    // Only a text with a fault is read again, for the places.
    let faults = if twice.get() { places(bytes) } else { TextFaults::default() };
    Ok((value, faults))
}

fn places(bytes: &[u8]) -> TextFaults {
    let fields = RefCell::default();
    // It has been read once, so it can be read again.
    let _ =
        Places { path: String::new(), fields: &fields }.deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    TextFaults { fields: fields.into_inner(), ..TextFaults::default() }
}

/// Reads any value and notices whether a field came twice.
#[derive(Clone, Copy)]
struct Reader<'a> {
    twice: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Value::from(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::String(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self)?;
            if map.insert(key, value).is_some() {
                self.twice.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}

/// Lists every field of a text in its order, and whether it has been there before.
struct Places<'a> {
    path: String,
    fields: &'a RefCell<Vec<(String, bool)>>,
}

impl<'de> DeserializeSeed<'de> for Places<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Scalars have no fields.
macro_rules! nothing {
    ($($name:ident $type:ty),+) => { $(fn $name<E>(self, _: $type) -> Result<(), E> { Ok(()) })+ };
}

impl<'de> Visitor<'de> for Places<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    nothing!(visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64, visit_str &str);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while items
            .next_element_seed(Places { path: format!("{}[{index}]", self.path), fields: self.fields })?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            let before = !seen.insert(key);
            self.fields.borrow_mut().push((path.clone(), before));
            fields.next_value_seed(Places { path, fields: self.fields })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_last_of_two_fields_counts_and_both_are_told_in_the_order_of_the_text() {
        let (value, faults) = read(br#"{"a": 1, "b": [{"c": 1, "c": {"d": 2}}], "a": {"x": null}}"#).unwrap();
        assert_eq!(value, json!({ "a": { "x": null }, "b": [{ "c": { "d": 2 } }] }));
        let told = faults.told(&["b[0].c.d".to_owned()]);
        assert_eq!(told, ["duplicate field \"b[0].c\"", "unknown field \"b[0].c.d\"", "duplicate field \"a\""]);
    }

    #[test]
    fn what_follows_a_value_is_refused() {
        assert!(read(b"{} {}").is_err());
        assert!(read(b"").is_err());
    }

    proptest! {
        #[test]
        fn texts_are_read_as_serde_json_reads_them(text in "[\\[\\]{}:,\"a1.e-]{0,24}") {
            let expected = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(read(text.as_bytes()).ok().map(|(value, _)| value), expected);
        }
    }
}
