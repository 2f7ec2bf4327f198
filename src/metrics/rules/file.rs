//! The shape of a Prometheus rule file.

use crate::metrics::duration;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    #[serde(default)]
    pub groups: Vec<GroupSpec>,
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// The file that it stands in; whoever reads files says so.
    #[serde(skip)]
    pub file: String,
    pub name: String,
    #[serde(default)]
    pub interval: Option<Millis>,
    /// Looks so far into the past.
    #[serde(default)]
    pub query_offset: Option<Millis>,
    /// How many series a recording rule may make, or alerts an alert rule; 0 is any number.
    #[serde(default)]
    pub limit: usize,
    /// Added to all rules; a rule's own labels win.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub rules: Vec<RuleSpec>,
}

/// A recording rule (`record`) or an alert rule (`alert`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    #[serde(default)]
    pub record: Option<String>,
    #[serde(default)]
    pub alert: Option<String>,
    pub expr: Expression,
    #[serde(default, rename = "for")]
    pub hold: Option<Millis>,
    #[serde(default)]
    pub keep_firing_for: Option<Millis>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// PromQL; YAML reads `expr: 1` as a number, so numbers are taken too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expression(pub String);

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => return Err(serde::de::Error::custom(format!("an expression is expected, not {other}"))),
        };
        Ok(Self(text))
    }
}

/// A duration as Prometheus writes it (`1m30s`, `2d`, `500ms`, `0`), in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Millis(pub i64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration::parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}
