//! What a selector asks of one label.

use crate::metrics::labels::{Quoted, is_plain_name};
use regex::Regex;
use std::fmt;

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchKind {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// One condition on one label; an absent label counts as empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    value: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Equal,
    NotEqual,
    Regex(Regex),
    NotRegex(Regex),
}

/// A pattern that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{pattern}`")]
pub struct MatcherError {
    pattern: String,
    reason: String,
}

impl Matcher {
    /// Patterns are compiled once, here; they must match the whole value, and `.` matches line feeds too.
    pub fn new(kind: MatchKind, name: &str, value: &str) -> Result<Self, MatcherError> {
        let test = match kind {
            MatchKind::Equal => Test::Equal,
            MatchKind::NotEqual => Test::NotEqual,
            MatchKind::Regex => Test::Regex(anchored(value)?),
            MatchKind::NotRegex => Test::NotRegex(anchored(value)?),
        };
        Ok(Self { name: name.to_owned(), value: value.to_owned(), test })
    }

    /// `name="value"`.
    #[must_use]
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), test: Test::Equal }
    }

    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal => self.value == value,
            Test::NotEqual => self.value != value,
            Test::Regex(regex) => regex.is_match(value),
            Test::NotRegex(regex) => !regex.is_match(value),
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    #[must_use]
    pub fn kind(&self) -> MatchKind {
        match self.test {
            Test::Equal => MatchKind::Equal,
            Test::NotEqual => MatchKind::NotEqual,
            Test::Regex(_) => MatchKind::Regex,
            Test::NotRegex(_) => MatchKind::NotRegex,
        }
    }

    /// Whether this says that label `name` has exactly one, not empty, value.
    pub(super) fn is_exact(&self, name: &str) -> bool {
        matches!(self.test, Test::Equal) && self.name == name && !self.value.is_empty()
    }
}

/// The most that one pattern may take when compiled, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// A pattern as Prometheus reads it: anchored on both ends.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, MatcherError> {
    let whole = format!("^(?s:{pattern})$");
    let failed = |error: regex::Error| {
        // The library's text shows the pattern over several lines; its last line says what is wrong.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        MatcherError { pattern: pattern.to_owned(), reason }
    };
    regex::RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).build().map_err(failed)
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.test {
            Test::Equal => "=",
            Test::NotEqual => "!=",
            Test::Regex(_) => "=~",
            Test::NotRegex(_) => "!~",
        };
        let value = Quoted(&self.value);
        if is_plain_name(&self.name) {
            write!(f, "{}{operator}{value}", self.name)
        } else {
            write!(f, "{}{operator}{value}", Quoted(&self.name))
        }
    }
}
