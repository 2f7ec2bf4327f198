//! The shape of a Prometheus rule file.

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
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    pub name: String,
    #[serde(default)]
    pub interval: Option<Millis>,
    /// Added to all rules; a rule's own labels win.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub rules: Vec<RuleSpec>,
}

/// A recording rule (`record`) or an alert rule (`alert`).
#[derive(Debug, Clone, Default, Deserialize)]
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
        let millis = parse_duration(&text);
        millis.map(Self).ok_or_else(|| serde::de::Error::custom(format!("not a valid duration string: {text:?}")))
    }
}

/// Units in the order in which they may come, with their milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Milliseconds of a Prometheus duration: whole numbers with units from years to milliseconds, each at most once.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let (mut rest, mut total, mut next) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let place = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters]).filter(|place| *place >= next)?;
        next = place + 1;
        total = total.checked_add(number.checked_mul(UNITS[place].1)?)?;
        rest = &rest[letters..];
    }
    // Go holds no more than 292 years.
    (!text.is_empty() && total <= 9_223_372_036_854).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, millis) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("30s", Some(30_000)),
            ("1m30s", Some(90_000)),
            ("1h5ms", Some(3_600_005)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("1s1m", None),
            ("1m1m", None),
            ("1.5m", None),
            ("-1m", None),
            ("300y", None),
            ("99999999999999999999s", None),
            ("1µs", None),
        ] {
            assert_eq!(parse_duration(text), millis, "{text}");
        }
    }
}
