//! Relabelling: rules that change labels, or drop what has them.

use crate::metrics::labels::Labels;
use crate::metrics::store::anchored;
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One rule as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelabelSpec {
    #[serde(default)]
    source_labels: Vec<String>,
    separator: Option<String>,
    target_label: Option<String>,
    regex: Option<Pattern>,
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
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Action {
    fn read(name: &str) -> Result<Self, String> {
        Ok(match name.to_lowercase().as_str() {
            "replace" => Self::Replace,
            "keep" => Self::Keep,
            "drop" => Self::Drop,
            "keepequal" => Self::KeepEqual,
            "dropequal" => Self::DropEqual,
            "hashmod" => {
                return Err(
                    "relabel action hashmod, which spreads targets over servers, is not supported by the embedded lab"
                        .to_owned(),
                );
            }
            "labelmap" => Self::LabelMap,
            "labeldrop" => Self::LabelDrop,
            "labelkeep" => Self::LabelKeep,
            "lowercase" => Self::Lowercase,
            "uppercase" => Self::Uppercase,
            _ => return Err(format!("unknown relabel action {name:?}")),
        })
    }

    fn needs_target(self) -> bool {
        use Action as A;
        matches!(self, A::Replace | A::Lowercase | A::Uppercase | A::KeepEqual | A::DropEqual)
    }
}

impl Relabelling {
    pub(super) fn read(spec: RelabelSpec) -> Result<Self, String> {
        let action = Action::read(spec.action.as_deref().unwrap_or("replace"))?;
        let target = spec.target_label.unwrap_or_default();
        let name = format!("{action:?}").to_lowercase();
        if action.needs_target() && target.is_empty() {
            return Err(format!("relabel configuration for {name} action requires 'target_label' value"));
        }
        let pattern = spec.regex.map_or_else(|| "(.*)".to_owned(), |pattern| pattern.0);
        Ok(Self {
            sources: spec.source_labels,
            separator: spec.separator.unwrap_or_else(|| ";".to_owned()),
            target,
            pattern: anchored(&pattern).map_err(|error| error.to_string())?,
            replacement: spec.replacement.unwrap_or_else(|| "$1".to_owned()),
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
            Action::Lowercase => set(labels, &self.target, joined.to_lowercase()),
            Action::Uppercase => set(labels, &self.target, joined.to_uppercase()),
            Action::LabelDrop => labels.retain(|name, _| !self.pattern.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.pattern.is_match(name)),
            Action::LabelMap => {
                let matching = labels.iter().filter(|(name, _)| self.pattern.is_match(name));
                let renamed = |(name, value): (&String, &String)| {
                    let new = self.pattern.replace(name, bracketed(&self.replacement).as_str()).into_owned();
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
        found.expand(&bracketed(&self.target), &mut name);
        found.expand(&bracketed(&self.replacement), &mut value);
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

/// `$1x` names the group `1x` in Rust and in Go, so a replacement means the same in both; nothing is to be changed but
/// what Go takes for a text: `$` before no name.
fn bracketed(replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        out.push(character);
        let names = |next: &char| *next == '{' || *next == '_' || *next == '$' || next.is_ascii_alphanumeric();
        if character == '$' && !characters.peek().is_some_and(names) {
            // Go drops a dollar that names nothing.
            out.pop();
        } else if character == '$' && characters.peek() == Some(&'$') {
            out.extend(characters.next());
        }
    }
    out
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
