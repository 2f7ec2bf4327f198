//! Field selectors: `metadata.name=x,status.phase!=Running`. Each kind supports a few fields only.

use super::label::SelectorError;
use crate::apiserver::status::Status;
use crate::model::object::At;
use serde_json::Value;

/// One term: the field is, or is not, the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub field: String,
    pub value: String,
    pub equal: bool,
}

/// A conjunction of terms. The empty one matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    pub terms: Vec<Term>,
}

/// Fields of each resource beyond `metadata.name` and `metadata.namespace`, as the real server registers them.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "pods",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    (
        "events",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("namespaces", &["status.phase"]),
    ("secrets", &["type"]),
    ("services", &["spec.clusterIP", "spec.type"]),
    ("nodes", &["spec.unschedulable"]),
    ("replicasets.apps", &["status.replicas"]),
    ("jobs.batch", &["status.successful"]),
];

impl FieldSelector {
    /// Reads the text; a backslash escapes `\`, `,` and `=` in values.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let parts = split_terms(text);
        let terms = parts.iter().map(String::as_str).filter(|it| !it.is_empty()).map(term);
        Ok(Self { terms: terms.collect::<Result<_, _>>()? })
    }

    /// Refuses fields that the resource does not support.
    pub fn check(&self, resource: &str, custom: bool) -> Result<(), Status> {
        let own = FIELDS.iter().find(|(name, _)| *name == resource);
        let known = own.map_or(&[][..], |(_, fields)| fields);
        for Term { field, .. } in &self.terms {
            if field != "metadata.name" && field != "metadata.namespace" && !known.contains(&field.as_str()) {
                // Kinds with fields of their own say it in their own words.
                let message = match own {
                    None if !custom => format!(
                        "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    ),
                    _ => format!("field label not supported: {field}"),
                };
                return Err(Status::bad_request(message));
            }
        }
        Ok(())
    }

    /// Whether an object satisfies it.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| (value_at(object, &term.field) == term.value) == term.equal)
    }

    /// Adds the term `field=value`.
    pub fn require(&mut self, field: &str, value: &str) {
        self.terms.push(Term { field: field.to_owned(), value: value.to_owned(), equal: true });
    }

    /// The name that every match must have, if one is asked for.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.terms.iter().find(|it| it.equal && it.field == "metadata.name").map(|it| it.value.as_str())
    }
}

fn value_at(object: &Value, field: &str) -> String {
    let found = match field {
        "source" => object.at("/source/component").or_else(|| object.get("reportingComponent")),
        _ => field.split('.').try_fold(object, |value, key| value.get(key)),
    };
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(_) | Value::Number(_)) => found.map(Value::to_string).unwrap_or_default(),
        _ => match field {
            "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
            "status.replicas" | "status.successful" => "0".to_owned(),
            _ => String::new(),
        },
    }
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for next in text.chars() {
        let last = terms.last_mut().expect("the list begins with one term");
        match next {
            ',' if !escaped => terms.push(String::new()),
            _ => last.push(next),
        }
        escaped = next == '\\' && !escaped;
    }
    terms
}

fn term(text: &str) -> Result<Term, SelectorError> {
    let invalid = || SelectorError(format!("invalid selector: '{text}'; can't understand '{text}'"));
    for (at, _) in text.char_indices() {
        let rest = &text[at..];
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            if let Some(value) = rest.strip_prefix(operator) {
                let value = unescape(value).ok_or_else(invalid)?;
                return Ok(Term { field: text[..at].to_owned(), value, equal });
            }
        }
    }
    Err(invalid())
}

/// None where an operator stands unescaped or an escape is not known.
fn unescape(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                _ => return None,
            },
            ',' | '=' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}
