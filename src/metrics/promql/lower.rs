//! From the tree of a query to what is evaluated: durations computed, constant texts and patterns taken out, functions by
//! what they do.

use super::DEFAULT_SUBQUERY_STEP_MS;
use super::expr::{self, Aggregate, Binary, Call, Expr, Selector, Subquery};
use super::functions;
use super::syntax::{self, Node, Scale, Span, What, When};
use super::value::QueryError;
use crate::metrics::labels::METRIC_NAME;
use crate::metrics::store::{MatchKind, Matcher};

/// Lowers a tree that was checked, for queries of that scale.
pub(super) fn lower(node: &Node, scale: Scale) -> Result<Expr, QueryError> {
    let lower = |node: &Node| lower(node, scale);
    Ok(match &node.what {
        What::Number { value, .. } => Expr::Number(*value),
        What::Text(text) => Expr::Text(text.clone()),
        What::Paren(inner) | What::Unary { negative: false, inner } => lower(inner)?,
        What::Unary { negative: true, inner } => Expr::Negate(Box::new(lower(inner)?)),
        What::Selector(selector) => Expr::Selector(lower_selector(selector, scale)?),
        What::Range { selector, range } => {
            let range_ms = millis(range, scale)?;
            Expr::Range(lower_selector(selector, scale)?, range_ms)
        }
        What::Subquery { inner, range, step, when } => {
            // In the order in which Prometheus complains.
            let when = lower_when(when, scale)?;
            let step_ms = step.as_ref().map(|it| millis(it, scale)).transpose()?;
            Expr::Subquery(Box::new(Subquery {
                range_ms: millis(range, scale)?,
                expr: lower(inner)?,
                // Parts of a millisecond are none.
                step_ms: step_ms.unwrap_or(DEFAULT_SUBQUERY_STEP_MS).max(1),
                when,
            }))
        }
        What::Aggregate(aggregate) => Expr::Aggregate(Box::new(Aggregate {
            op: aggregate.op,
            expr: lower(&aggregate.inner)?,
            param: aggregate.param.as_ref().map(lower).transpose()?,
            param_at: aggregate.param.as_ref().map_or(0, |param| param.start),
            without: aggregate.without,
            labels: aggregate.labels.clone(),
        })),
        What::Binary(binary) => lower_binary(binary, node, scale)?,
        What::Call { function, args } => functions::lower_call(function.name, args, node.start, scale)?,
    })
}

fn millis(span: &Span, scale: Scale) -> Result<i64, QueryError> {
    span.millis(scale, false).map_err(QueryError::Parse)
}

fn lower_when(when: &When, scale: Scale) -> Result<expr::When, QueryError> {
    let offset_ms = when.offset.as_ref().map(|it| it.millis(scale, true)).transpose().map_err(QueryError::Parse)?;
    Ok(expr::When { offset_ms: offset_ms.unwrap_or(0), at: when.at })
}

fn lower_selector(selector: &syntax::Selector, scale: Scale) -> Result<Selector, QueryError> {
    let exact = |matcher: &Matcher| matcher.kind() == MatchKind::Equal && matcher.name() == METRIC_NAME;
    let named = selector.matchers.iter().any(exact);
    Ok(Selector { matchers: selector.matchers.clone(), named, when: lower_when(&selector.when, scale)? })
}

fn lower_binary(binary: &syntax::Binary, node: &Node, scale: Scale) -> Result<Expr, QueryError> {
    let matching = &binary.matching;
    Ok(Expr::Binary(Box::new(Binary {
        op: binary.op,
        lhs: lower(&binary.lhs, scale)?,
        rhs: lower(&binary.rhs, scale)?,
        kind: node.kind(),
        bool_result: binary.bool_result,
        cardinality: matching.cardinality,
        on: matching.on,
        labels: matching.labels.clone(),
        include: matching.include.clone(),
    })))
}

/// A call as an expression.
pub(super) fn call(call: Call) -> Expr {
    Expr::Call(Box::new(call))
}
