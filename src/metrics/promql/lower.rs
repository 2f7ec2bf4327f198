//! From the tree of a query to what is evaluated: constant texts and patterns taken out, functions by what they do.

use super::DEFAULT_SUBQUERY_STEP_MS;
use super::expr::{Aggregate, Binary, Call, Expr, Selector, Subquery};
use super::functions;
use super::syntax::{self, Node, What};
use super::value::QueryError;
use crate::metrics::labels::METRIC_NAME;
use crate::metrics::store::{MatchKind, Matcher};

/// Lowers a tree that was checked.
pub(super) fn lower(node: &Node) -> Result<Expr, QueryError> {
    Ok(match &node.what {
        What::Number { value, .. } => Expr::Number(*value),
        What::Text(text) => Expr::Text(text.clone()),
        What::Paren(inner) | What::Unary { negative: false, inner } => lower(inner)?,
        What::Unary { negative: true, inner } => Expr::Negate(Box::new(lower(inner)?)),
        What::Selector(selector) => Expr::Selector(lower_selector(selector)),
        What::Range { selector, range_ms } => Expr::Range(lower_selector(selector), *range_ms),
        What::Subquery { inner, range_ms, step_ms, when } => Expr::Subquery(Box::new(Subquery {
            expr: lower(inner)?,
            range_ms: *range_ms,
            // Parts of a millisecond are none.
            step_ms: step_ms.unwrap_or(DEFAULT_SUBQUERY_STEP_MS).max(1),
            when: *when,
        })),
        What::Aggregate(aggregate) => Expr::Aggregate(Box::new(Aggregate {
            op: aggregate.op,
            expr: lower(&aggregate.inner)?,
            param: aggregate.param.as_ref().map(lower).transpose()?,
            param_at: aggregate.param.as_ref().map_or(0, |param| param.start),
            without: aggregate.without,
            labels: aggregate.labels.clone(),
        })),
        What::Binary(binary) => lower_binary(binary, node)?,
        What::Call { function, args } => functions::lower_call(function.name, args, node.start)?,
    })
}

fn lower_selector(selector: &syntax::Selector) -> Selector {
    let exact = |matcher: &Matcher| matcher.kind() == MatchKind::Equal && matcher.name() == METRIC_NAME;
    let named = selector.matchers.iter().any(exact);
    Selector { matchers: selector.matchers.clone(), named, when: selector.when }
}

fn lower_binary(binary: &syntax::Binary, node: &Node) -> Result<Expr, QueryError> {
    let matching = &binary.matching;
    Ok(Expr::Binary(Box::new(Binary {
        op: binary.op,
        lhs: lower(&binary.lhs)?,
        rhs: lower(&binary.rhs)?,
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
