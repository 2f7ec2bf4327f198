//! What must differ between two servers, and is therefore made alike before outputs are compared.

use super::script::Said;
use regex::Regex;
use serde_json::Value;

const RULES: &str = include_str!("redactions.txt");

/// The rules in the order of their file.
pub struct Redactions(Vec<(Regex, String)>);

impl Redactions {
    /// Each rule is `pattern => replacement` under a comment that says why.
    pub fn read() -> Self {
        let mut rules = Vec::new();
        let mut reason = false;
        for line in RULES.lines().filter(|it| !it.is_empty()) {
            if line.starts_with('#') {
                reason = true;
                continue;
            }
            assert!(reason, "the redaction {line:?} has no reason above it");
            let (pattern, replacement) = line.split_once(" =>").unwrap();
            let replacement = replacement.strip_prefix(" ").unwrap_or(replacement);
            rules.push((Regex::new(pattern).unwrap(), replacement.replace("␠", " ")));
            reason = false;
        }
        Self(rules)
    }

    pub fn apply(&self, said: Said) -> Said {
        let all = |text: String| {
            let text: String = text.split_inclusive('\n').map(in_order).collect();
            self.0.iter().fold(text, |text, (pattern, to)| pattern.replace_all(&text, to.as_str()).into_owned())
        };
        Said { out: all(said.out), err: all(said.err), code: said.code }
    }
}

/// A line that is a JSON object with its keys in order, which has no meaning in JSON.
fn in_order(line: &str) -> String {
    fn ordered(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(ordered),
            Value::Object(map) => {
                map.sort_keys();
                map.values_mut().for_each(ordered);
            }
            _ => {}
        }
    }
    let plain = line.trim_end_matches('\n');
    match serde_json::from_str(plain) {
        Ok(mut value @ Value::Object(_)) => {
            ordered(&mut value);
            format!("{value}{}", &line[plain.len()..])
        }
        _ => line.to_owned(),
    }
}
