//! Writes a query back: on one line, or over several where it is long.

use super::{Aggregate, Binary, Matching, Node, Quoted, Selector, Span, What, When};
use crate::metrics::duration::Written;
use crate::metrics::labels::{METRIC_NAME, is_plain_name};
use crate::metrics::number;
use crate::metrics::promql::expr::{At, Cardinality, Kind};
use crate::metrics::store::{MatchKind, Matcher};
use std::fmt;

/// Longer parts are split over several lines.
const MAX_LINE_BYTES: usize = 100;

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Number { value, duration: true } => Written((value * 1000.0) as i64).fmt(f),
            What::Number { value, duration: false } => f.write_str(&number::fixed(*value)),
            What::Text(text) => Quoted(text).fmt(f),
            What::Selector(selector) => {
                write_bare(f, selector)?;
                write_when(f, &selector.when)
            }
            What::Range { selector, range } => {
                write_bare(f, selector)?;
                write!(f, "[{range}]")?;
                write_when(f, &selector.when)
            }
            What::Subquery { inner, range, step, when } => {
                write!(f, "{inner}")?;
                write_subquery(f, range, step.as_ref(), when)
            }
            What::Aggregate(aggregate) => {
                write_aggregation(f, aggregate)?;
                match &aggregate.param {
                    Some(param) => write!(f, "({param}, {})", aggregate.inner),
                    None => write!(f, "({})", aggregate.inner),
                }
            }
            What::Binary(binary) => {
                write!(f, "{} ", binary.lhs)?;
                write_operator(f, binary)?;
                write!(f, " {}", binary.rhs)
            }
            What::Call { function, args } => {
                write!(f, "{}(", function.name)?;
                for (index, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            What::Paren(inner) => write!(f, "({inner})"),
            What::Unary { negative, inner } => write!(f, "{}{inner}", if *negative { '-' } else { '+' }),
        }
    }
}

/// A selector without what moves it in time.
fn write_bare(f: &mut fmt::Formatter<'_>, selector: &Selector) -> fmt::Result {
    f.write_str(&selector.name)?;
    let is_name = |matcher: &&Matcher| {
        matcher.name() == METRIC_NAME
            && matcher.kind() == MatchKind::Equal
            && matcher.value() == selector.name
            && !selector.name.is_empty()
    };
    let mut conditions: Vec<String> =
        selector.matchers.iter().filter(|matcher| !is_name(matcher)).map(ToString::to_string).collect();
    if conditions.is_empty() {
        return Ok(());
    }
    conditions.sort();
    write!(f, "{{{}}}", conditions.join(","))
}

fn write_when(f: &mut impl fmt::Write, when: &When) -> fmt::Result {
    match when.at {
        None => {}
        Some(At::Start) => f.write_str(" @ start()")?,
        Some(At::End) => f.write_str(" @ end()")?,
        Some(At::Time(millis)) => write!(f, " @ {:.3}", millis as f64 / 1000.0)?,
    }
    match &when.offset {
        Some(offset) if offset.is_computed() || offset.fixed_ms() != 0 => write!(f, " offset {offset}"),
        _ => Ok(()),
    }
}

fn write_subquery(f: &mut impl fmt::Write, range: &Span, step: Option<&Span>, when: &When) -> fmt::Result {
    write!(f, "[{range}:")?;
    if let Some(step) = step {
        write!(f, "{step}")?;
    }
    f.write_str("]")?;
    write_when(f, when)
}

fn write_aggregation(f: &mut impl fmt::Write, aggregate: &Aggregate) -> fmt::Result {
    f.write_str(aggregate.op.name())?;
    if aggregate.without {
        write!(f, " without ({}) ", listed(&aggregate.labels))
    } else if aggregate.labels.is_empty() {
        Ok(())
    } else {
        write!(f, " by ({}) ", listed(&aggregate.labels))
    }
}

/// The operator with all that says how sides match, which is nothing unless both are vectors.
fn write_operator(f: &mut impl fmt::Write, binary: &Binary) -> fmt::Result {
    write!(f, "{}{}", binary.op.name(), if binary.bool_result { " bool" } else { "" })?;
    let Matching { cardinality, on, labels, include } = &binary.matching;
    let vectors = binary.lhs.kind() == Kind::Vector && binary.rhs.kind() == Kind::Vector;
    let grouped = *cardinality != Cardinality::OneToOne;
    if vectors && (!labels.is_empty() || *on || grouped) {
        write!(f, " {} ({})", if *on { "on" } else { "ignoring" }, listed(labels))?;
    }
    if vectors && grouped {
        let side = if *cardinality == Cardinality::ManyToOne { "left" } else { "right" };
        write!(f, " group_{side} ({})", listed(include))?;
    }
    Ok(())
}

/// Labels with commas; those that are no plain names in quotes.
fn listed(labels: &[String]) -> String {
    let written = |label: &String| if is_plain_name(label) { label.clone() } else { Quoted(label).to_string() };
    labels.iter().map(written).collect::<Vec<_>>().join(", ")
}

/// A query over as many lines as it needs.
pub(in crate::metrics::promql) fn pretty(node: &Node) -> String {
    split(node, 0)
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

/// Writing to a text cannot fail, so what it says is not looked at.
fn split(node: &Node, level: usize) -> String {
    let whole = node.to_string();
    let space = indent(level);
    match &node.what {
        What::Subquery { .. } if whole.len() <= MAX_LINE_BYTES => whole,
        What::Subquery { inner, range, step, when } => {
            let mut out = split(inner, level);
            let _ = write_subquery(&mut out, range, step.as_ref(), when);
            out
        }
        What::Unary { negative, inner } => {
            format!("{space}{}{}", if *negative { '-' } else { '+' }, split(inner, level).trim())
        }
        _ if whole.len() <= MAX_LINE_BYTES => format!("{space}{whole}"),
        What::Number { .. } | What::Text(_) | What::Selector(_) | What::Range { .. } => format!("{space}{whole}"),
        What::Paren(inner) => format!("{space}(\n{}\n{space})", split(inner, level + 1)),
        What::Call { function, args } => {
            let args: Vec<String> = args.iter().map(|arg| split(arg, level + 1)).collect();
            format!("{space}{}(\n{}\n{space})", function.name, args.join(",\n"))
        }
        What::Aggregate(aggregate) => {
            let mut out = space.clone();
            let _ = write_aggregation(&mut out, aggregate);
            out.push_str("(\n");
            if let Some(param) = &aggregate.param {
                out.push_str(&split(param, level + 1));
                out.push_str(",\n");
            }
            format!("{out}{}\n{space})", split(&aggregate.inner, level + 1))
        }
        What::Binary(binary) => {
            let mut operator = String::new();
            let _ = write_operator(&mut operator, binary);
            format!("{}\n{space}{operator}\n{}", split(&binary.lhs, level + 1), split(&binary.rhs, level + 1))
        }
    }
}
