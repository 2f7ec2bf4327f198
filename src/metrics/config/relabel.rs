//! Relabelling: rules that change labels, or drop what has them.

use crate::metrics::labels::Labels;
use crate::metrics::store::anchored;
use md5::{Digest, Md5};
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One rule as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelabelSpec {
    source_labels: Option<Vec<String>>,
    separator: Option<String>,
    target_label: Option<String>,
    regex: Option<Pattern>,
    #[serde(default)]
    modulus: u64,
    replacement: Option<String>,
    action: Option<String>,
}

/// YAML reads `regex: true` and `regex: 5` as no texts.
#[derive(Debug)]
struct Pattern(String);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            other @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => Ok(Self(other.to_string())),
            other => Err(serde::de::Error::custom(format!("a pattern is expected, not {other}"))),
        }
    }
}

/// One rule, checked.
#[derive(Debug, Clone)]
pub struct Relabelling {
    sources: Vec<String>,
    separator: String,
    target: String,
    pattern: Regex,
    replacement: String,
    action: Action,
}

/// Rules are the same when they are written alike.
impl PartialEq for Relabelling {
    fn eq(&self, other: &Self) -> bool {
        let texts = |it: &Self| [&it.separator, &it.target, &it.replacement].map(String::clone);
        let patterns = (self.pattern.as_str(), other.pattern.as_str());
        self.action == other.action
            && self.sources == other.sources
            && texts(self) == texts(other)
            && patterns.0 == patterns.1
    }
}

impl Eq for Relabelling {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    /// By how much the hash is divided; never 0.
    HashMod(u64),
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Action {
    fn read(name: &str, modulus: u64) -> Result<Self, String> {
        Ok(match name.to_lowercase().as_str() {
            "replace" => Self::Replace,
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            "keepequal" => Self::KeepEqual,
            "dropequal" => Self::DropEqual,
            "hashmod" if modulus == 0 => {
                return Err("relabel configuration for hashmod requires non-zero modulus".to_owned());
            }
            "hashmod" => Self::HashMod(modulus),
            "labelmap" => Self::LabelMap,
            "labeldrop" => Self::LabelDrop,
            "labelkeep" => Self::LabelKeep,
            "lowercase" => Self::Lowercase,
            "uppercase" => Self::Uppercase,
            _ => return Err(format!("unknown relabel action {name:?}")),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod(_) => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }
}

/// What rules have where nothing is said.
const SEPARATOR: &str = ";";
const PATTERN: &str = "(.*)";
const REPLACEMENT: &str = "$1";

/// What Prometheus finds wrong with a rule, in its order.
fn check(action: Action, rule: &RelabelSpec) -> Result<(), String> {
    use Action as A;
    let name = action.name();
    let target = rule.target_label.as_deref().unwrap_or_default();
    let replacement = rule.replacement.as_deref().unwrap_or(REPLACEMENT);
    let equal = matches!(action, A::KeepEqual | A::DropEqual);
    let cases = matches!(action, A::Lowercase | A::Uppercase);
    if target.is_empty() && (equal || cases || matches!(action, A::Replace | A::HashMod(_))) {
        return Err(format!("relabel configuration for {name} action requires 'target_label' value"));
    }
    if (equal || cases) && replacement != REPLACEMENT {
        return Err(format!("'replacement' can not be set for {name} action"));
    }
    if action == A::LabelMap && replacement.is_empty() {
        return Err(format!("{replacement:?} is invalid 'replacement' for {name} action"));
    }
    let separator = rule.separator.as_deref().unwrap_or(SEPARATOR);
    let plain = rule.modulus == 0 && separator == SEPARATOR && replacement == REPLACEMENT;
    if equal && !(plain && rule.regex.is_none()) {
        return Err(format!("{name} action requires only 'source_labels' and `target_label`, and no other fields"));
    }
    if matches!(action, A::LabelDrop | A::LabelKeep) && !(plain && target.is_empty() && rule.source_labels.is_none()) {
        return Err(format!("{name} action requires only 'regex', and no other fields"));
    }
    Ok(())
}

impl Relabelling {
    pub(super) fn read(spec: RelabelSpec) -> Result<Self, String> {
        let action = Action::read(spec.action.as_deref().unwrap_or("replace"), spec.modulus)?;
        check(action, &spec)?;
        let pattern = spec.regex.map_or_else(|| PATTERN.to_owned(), |pattern| pattern.0);
        Ok(Self {
            sources: spec.source_labels.unwrap_or_default(),
            separator: spec.separator.unwrap_or_else(|| SEPARATOR.to_owned()),
            target: spec.target_label.unwrap_or_default(),
            pattern: anchored(&pattern).map_err(|error| error.to_string())?,
            replacement: spec.replacement.unwrap_or_else(|| REPLACEMENT.to_owned()),
            action,
        })
    }

    /// Changes the labels; says whether whatever has them stays.
    fn apply(&self, labels: &mut BTreeMap<String, String>) -> bool {
        let value = |name: &String| labels.get(name).map_or("", String::as_str);
        let joined = self.sources.iter().map(value).collect::<Vec<_>>().join(&self.separator);
        let target = || labels.get(&self.target).map_or("", String::as_str);
        match self.action {
            Action::Keep => return self.pattern.is_match(&joined),
            Action::Drop => return !self.pattern.is_match(&joined),
            Action::KeepEqual => return target() == joined,
            Action::DropEqual => return target() != joined,
            Action::Replace => self.replace(labels, &joined),
            Action::Lowercase => set(labels, &self.target, joined.chars().map(lower).collect()),
            Action::Uppercase => set(labels, &self.target, joined.chars().map(upper).collect()),
            Action::HashMod(modulus) => {
                let digest: [u8; 16] = Md5::digest(joined.as_bytes()).into();
                let hash = u64::from_be_bytes(std::array::from_fn(|at| digest[at + 8]));
                set(labels, &self.target, (hash % modulus).to_string());
            }
            Action::LabelDrop => labels.retain(|name, _| !self.pattern.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.pattern.is_match(name)),
            Action::LabelMap => {
                let matching = labels.iter().filter(|(name, _)| self.pattern.is_match(name));
                let renamed = |(name, value): (&String, &String)| {
                    let new = self.pattern.replace(name, self.replacement.as_str()).into_owned();
                    (new, value.clone())
                };
                let new: Vec<(String, String)> = matching.map(renamed).collect();
                new.into_iter().for_each(|(name, value)| set(labels, &name, value));
            }
        }
        true
    }

    fn replace(&self, labels: &mut BTreeMap<String, String>, joined: &str) {
        let Some(found) = self.pattern.captures(joined) else { return };
        let (mut name, mut value) = (String::new(), String::new());
        found.expand(&self.target, &mut name);
        found.expand(&self.replacement, &mut value);
        if !name.is_empty() {
            set(labels, &name, value);
        }
    }
}

/// An empty value is no label.
fn set(labels: &mut BTreeMap<String, String>, name: &str, value: String) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value);
    }
}

/// Letter by letter, as Go changes them.
fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The same. A letter whose upper case is several letters (`ß`) stays as it is.
fn upper(letter: char) -> char {
    let mut letters = letter.to_uppercase();
    match (letters.next(), letters.next()) {
        (Some(upper), None) => upper,
        _ => letter,
    }
}

/// The labels after all rules; none when one of them drops whatever has them.
#[must_use]
pub fn relabelled(labels: &Labels, rules: &[Relabelling]) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let own = |text: &str| text.to_owned();
    let mut all: BTreeMap<String, String> = labels.iter().map(|label| (own(&label.name), own(&label.value))).collect();
    let stays = rules.iter().all(|rule| rule.apply(&mut all));
    stays.then(|| Labels::from_pairs(all))
}
