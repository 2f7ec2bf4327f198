//! The text of queries: reads it as Prometheus 3.14 does, says in its words and at its places what is wrong with it, and
//! writes it back.
//!
//! ```text
//! text ──lexer──► tokens ──grammar──► tree ──check──► tree with the right types ──► lowered, printed, or shown as JSON
//! ```
//!
//! Only the first error is told, as there; the grammar and the checks therefore go in Prometheus' order. Which context a
//! message names ("in aggregation") follows from where Prometheus' generated parser recovers.
//!
//! In: text. Out: a tree with places, in bytes, or an error. Never: data, evaluation.

mod check;
mod functions;
mod grammar;
mod lexer;
mod print;
mod selector;
mod span;
mod token;
mod tree;

pub(super) use functions::Function;
pub(super) use print::pretty;
pub(super) use span::{Scale, Span};
pub(super) use tree::json;

use super::expr::{AggregateOp, At, BinaryOp, Cardinality, Kind};
use crate::metrics::labels::Quoted;
use crate::metrics::store::Matcher;

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParseError {
    /// In bytes.
    pub(super) start: usize,
    pub(super) text: String,
}

impl ParseError {
    fn new<T>(start: usize, text: impl Into<String>) -> Result<T, Self> {
        Err(Self { start, text: text.into() })
    }

    /// `line:column: parse error: …`.
    pub(super) fn in_query(&self, query: &str) -> String {
        format!("{}: parse error: {}", place(query, self.start), self.text)
    }
}

/// `line:column` of a place in a query, both from 1.
pub(super) fn place(query: &str, start: usize) -> String {
    if query.is_empty() {
        return "unknown position".to_owned();
    }
    let before = &query.as_bytes()[..start.min(query.len())];
    let mut lines = before.split(|byte| *byte == b'\n');
    let column = lines.next_back().map_or(0, <[u8]>::len) + 1;
    let line = lines.count() + 1;
    format!("{line}:{column}")
}

/// A part of a query.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where its text begins and ends, in bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many nodes lie above one another, this one counted.
    pub(super) depth: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Number { value: f64, duration: bool },
    Text(String),
    Selector(Selector),
    Range { selector: Selector, range: Span },
    Subquery { inner: Box<Node>, range: Span, step: Option<Span>, when: When },
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Call { function: &'static Function, args: Vec<Node> },
    Paren(Box<Node>),
    Unary { negative: bool, inner: Box<Node> },
}

/// `offset … @ …`: what moves a selector or a subquery in time, as written.
#[derive(Debug, Clone, Default)]
pub(super) struct When {
    pub(super) offset: Option<Span>,
    pub(super) at: Option<At>,
}

/// `name{matchers} offset … @ …`.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    /// The name outside the braces; empty when there is none. It is the last of the matchers too.
    pub(super) name: String,
    pub(super) matchers: Vec<Matcher>,
    pub(super) when: When,
}

#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) op: AggregateOp,
    pub(super) inner: Node,
    pub(super) param: Option<Node>,
    pub(super) without: bool,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Binary {
    pub(super) op: BinaryOp,
    pub(super) lhs: Node,
    pub(super) rhs: Node,
    pub(super) bool_result: bool,
    pub(super) matching: Matching,
}

/// How the series of both sides find each other.
#[derive(Debug, Clone)]
pub(super) struct Matching {
    pub(super) cardinality: Cardinality,
    pub(super) on: bool,
    pub(super) labels: Vec<String>,
    pub(super) include: Vec<String>,
}

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match &self.what {
            What::Number { .. } => Kind::Scalar,
            What::Text(_) => Kind::Text,
            What::Selector(_) | What::Aggregate(_) => Kind::Vector,
            What::Range { .. } | What::Subquery { .. } => Kind::Matrix,
            What::Binary(binary) => match (binary.lhs.kind(), binary.rhs.kind()) {
                (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
                _ => Kind::Vector,
            },
            What::Call { function, .. } => function.gives,
            What::Paren(inner) | What::Unary { inner, .. } => inner.kind(),
        }
    }
}

impl Node {
    /// Whether there is a selector in it.
    pub(super) fn selects(&self) -> bool {
        match &self.what {
            What::Number { .. } | What::Text(_) => false,
            What::Selector(_) | What::Range { .. } => true,
            What::Paren(inner) | What::Unary { inner, .. } | What::Subquery { inner, .. } => inner.selects(),
            What::Aggregate(it) => it.inner.selects() || it.param.as_ref().is_some_and(Self::selects),
            What::Binary(it) => it.lhs.selects() || it.rhs.selects(),
            What::Call { args, .. } => args.iter().any(Self::selects),
        }
    }
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Node, ParseError> {
    let node = grammar::parse(text)?;
    check::check(&node, text)?;
    Ok(node)
}

/// Reads a selector and nothing else: `up{job="a"}`.
pub(super) fn parse_selector(text: &str) -> Result<Selector, ParseError> {
    grammar::parse_selector(text)
}

#[cfg(test)]
mod tests;
