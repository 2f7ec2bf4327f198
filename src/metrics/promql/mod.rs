//! PromQL, as Prometheus 3 evaluates it, over a [`Store`](super::store::Store).
//!
//! A query is read once ([`Query::parse`]) and can be evaluated often. Every expression is evaluated for all steps of a
//! range at once, so that labels are compared once per series and not once per step.
//!
//! Left out, with an error that says so: native histograms, experimental functions and modifiers.
//!
//! In: text, a store, times. Out: values or an error in Prometheus' words. Never: the clock.

mod eval;
mod expr;
mod functions;
mod guard;
mod lower;
mod value;

pub use value::{QueryError, RangeSeries, Sample, Value};

use super::store::{Matcher, Store};
use eval::{Engine, Steps};
use expr::{Expr, Kind};

/// How far back an instant selector looks for a sample, in milliseconds (Prometheus' `--query.lookback-delta`).
pub const LOOKBACK_MS: i64 = 5 * 60_000;
/// The step of a subquery that names none, in milliseconds (Prometheus' default evaluation interval).
pub const DEFAULT_SUBQUERY_STEP_MS: i64 = 60_000;
/// How many samples one query may load and make, all steps and intermediate results together.
pub const MAX_QUERY_SAMPLES: usize = 10_000_000;
/// How many steps a range query may go, as in Prometheus; it then has one answer more.
pub const MAX_QUERY_STEPS: usize = 11_000;
/// The longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 32 * 1024;
/// How deep a query may nest; a chain of operators counts as that deep too.
pub const MAX_QUERY_DEPTH: usize = 100;

/// A query that has been read and checked.
#[derive(Debug, Clone)]
pub struct Query {
    expr: Expr,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        guard::check(text)?;
        let parsed =
            promql_parser::parser::parse(text).map_err(|error| QueryError::Parse(in_prometheus_words(&error)))?;
        Ok(Self { expr: lower::lower(&parsed)? })
    }

    /// The answer at `t_ms` (milliseconds since 1970).
    pub fn instant(&self, store: &Store, t_ms: i64) -> Result<Value, QueryError> {
        Engine::new(store, t_ms, t_ms, LOOKBACK_MS).instant(&self.expr, t_ms)
    }

    /// The answers from `start_ms` to `end_ms`, every `step_ms`.
    pub fn range(&self, store: &Store, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Value, QueryError> {
        let bad = |text: &str| Err(QueryError::BadData(text.to_owned()));
        if step_ms <= 0 {
            return bad("zero or negative query resolution step widths are not accepted. Try a positive integer");
        }
        if end_ms < start_ms {
            return bad("end timestamp must not be before start time");
        }
        let steps = end_ms.saturating_sub(start_ms) / step_ms;
        if steps > MAX_QUERY_STEPS as i64 {
            return bad(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
            );
        }
        let kind = match self.expr.kind() {
            Kind::Scalar | Kind::Vector => None,
            Kind::Matrix => Some("range vector"),
            Kind::Text => Some("string"),
        };
        if let Some(kind) = kind {
            let text = format!("invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector");
            return Err(QueryError::BadData(text));
        }
        let steps = Steps { start_ms, step_ms, count: steps as usize + 1 };
        Engine::new(store, start_ms, end_ms, LOOKBACK_MS).range(&self.expr, steps)
    }
}

/// The parser's messages name types and quote names otherwise than Prometheus does.
fn in_prometheus_words(error: &str) -> String {
    let mut words = error.replace('\'', "\"");
    for place in ["type ", "got "] {
        words = words.replace(&format!("{place}vector"), &format!("{place}instant vector"));
        words = words.replace(&format!("{place}matrix"), &format!("{place}range vector"));
    }
    words
}

/// The matchers of a plain selector (`up{job="a"}`), as `match[]` of the HTTP API has it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, QueryError> {
    match Query::parse(text)?.expr {
        Expr::Selector(selector) if selector.when.is_now() => Ok(selector.matchers),
        _ => Err(QueryError::Parse(format!("`{text}` is not a plain selector such as up{{job=\"a\"}}"))),
    }
}

#[cfg(test)]
mod tests;
