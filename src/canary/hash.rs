//! Short hashes in the form of Kubernetes' pod-template-hash.
//!
//! Only equality matters to behaviour, so the canonical form is our own: keys in order, empty values left out (a server
//! may add or drop them), each part tagged so that no two values look alike.

use serde_json::Value;

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;
/// Kubernetes' safe digits: the decimal digits of the hash are written with these.
const DIGITS: [char; 10] = ['4', '5', '6', '7', '8', '9', 'b', 'c', 'd', 'f'];

/// 32-bit FNV-1a of a value's canonical form, in safe digits.
#[must_use]
pub fn of(value: &Value) -> String {
    let mut hasher = Fnv(OFFSET);
    hasher.value(value);
    encode(hasher.0)
}

/// 32-bit FNV-1a of the parts, each followed by a separator, in safe digits.
pub(super) fn of_parts<'p>(parts: impl IntoIterator<Item = &'p str>) -> String {
    let mut hasher = Fnv(OFFSET);
    for part in parts {
        hasher.bytes(part.as_bytes());
        hasher.bytes(&[0]);
    }
    encode(hasher.0)
}

fn encode(hash: u32) -> String {
    hash.to_string().bytes().map(|digit| DIGITS[usize::from(digit - b'0')]).collect()
}

struct Fnv(u32);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(flag) => self.bytes(if *flag { b"t" } else { b"f" }),
            Value::Number(number) => {
                self.bytes(b"#");
                self.bytes(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.bytes(b"\"");
                self.bytes(text.as_bytes());
                self.bytes(&[0]);
            }
            Value::Array(items) => {
                self.bytes(b"[");
                for item in items {
                    self.value(item);
                }
                self.bytes(b"]");
            }
            Value::Object(fields) => {
                self.bytes(b"{");
                let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !is_empty(value)).collect();
                fields.sort_unstable_by_key(|(key, _)| *key);
                for (key, value) in fields {
                    self.bytes(key.as_bytes());
                    self.bytes(&[0]);
                    self.value(value);
                }
                self.bytes(b"}");
            }
        }
    }
}

/// `null`, `{}` and `[]` say the same as a field that is not there; so does Kubernetes' `creationTimestamp: null`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_and_empty_fields_do_not_matter_and_everything_else_does() {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"image": "x:1"}]}});
        let same = json!({"spec": {"volumes": [], "containers": [{"image": "x:1", "resources": {}}]},
            "metadata": {"creationTimestamp": null, "labels": {"app": "a"}}});
        let other = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"image": "x:2"}]}});
        assert_eq!(of(&template), of(&same));
        assert_ne!(of(&template), of(&other));
        assert_ne!(of(&json!(["ab", "c"])), of(&json!(["a", "bc"])));
        assert_ne!(of(&json!(1)), of(&json!("1")));
    }

    #[test]
    fn digits_are_written_with_the_safe_alphabet() {
        assert_eq!(encode(1_234_567_890), "56789bcdf4");
    }
}
