//! What is installed, and in which order.

use super::steps::Outcome;
use crate::model::object::ObjectRef;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// One part of a lab. It is ready when each of its objects is ([`super::readiness`]) and its act is done.
pub struct Part {
    /// As people read it: `Prometheus`.
    pub name: &'static str,
    /// Names of the parts that must be ready before this one begins.
    pub needs: &'static [&'static str],
    /// Applied in this order.
    pub objects: Vec<Value>,
    /// Waited for, made by others.
    pub awaits: Vec<ObjectRef>,
    /// Done when the objects are ready.
    pub act: Option<Act>,
    /// From its beginning to its readiness.
    pub limit: Duration,
    /// The likeliest reasons for not being ready, each with what helps.
    pub causes: &'static [&'static str],
}

/// Something that is no object: a push, a query that must have an answer.
pub type Act = Box<dyn FnOnce() -> BoxFuture<'static, Result<Outcome, ActError>> + Send>;

/// An act failed; the text says what and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ActError(pub String);

/// The parts cannot all be installed, in any order: a defect of whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("two parts are named {0}")]
    Twice(&'static str),
    #[error("{part} needs {needs}, which is no part")]
    Unknown { part: &'static str, needs: &'static str },
    #[error("these parts wait for each other: {}", .0.join(", "))]
    Circle(Vec<&'static str>),
}

impl Part {
    /// A part of objects alone.
    #[must_use]
    pub fn of(name: &'static str, needs: &'static [&'static str], objects: Vec<Value>, limit: Duration) -> Self {
        Self { name, needs, objects, awaits: Vec::new(), act: None, limit, causes: &[] }
    }
}

/// Whether every part will have its turn.
pub(super) fn check(parts: &[Part]) -> Result<(), PlanError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = parts.iter().find(|it| !names.insert(it.name)) {
        return Err(PlanError::Twice(twice.name));
    }
    for part in parts {
        if let Some(needs) = part.needs.iter().find(|it| !names.contains(*it)) {
            return Err(PlanError::Unknown { part: part.name, needs });
        }
    }
    let mut left: Vec<&Part> = parts.iter().collect();
    let mut done = BTreeSet::new();
    while !left.is_empty() {
        let (ready, waiting): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|it| it.needs.iter().all(|need| done.contains(need)));
        if ready.is_empty() {
            return Err(PlanError::Circle(waiting.iter().map(|it| it.name).collect()));
        }
        done.extend(ready.iter().map(|it| it.name));
        left = waiting;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(given: &[(&'static str, &'static [&'static str])]) -> Vec<Part> {
        given.iter().map(|(name, needs)| Part::of(name, needs, Vec::new(), Duration::ZERO)).collect()
    }

    #[test]
    fn parts_that_could_never_all_be_installed_are_refused() {
        for (given, expected) in [
            (&[("a", &[][..]), ("b", &["a"])][..], Ok(())),
            (&[("b", &["a"]), ("a", &[])], Ok(())),
            (&[("a", &[]), ("a", &[])], Err(PlanError::Twice("a"))),
            (&[("a", &["x"])], Err(PlanError::Unknown { part: "a", needs: "x" })),
            (&[("a", &["b"]), ("b", &["a"]), ("c", &[])], Err(PlanError::Circle(vec!["a", "b"]))),
        ] {
            assert_eq!(check(&parts(given)), expected);
        }
    }
}
