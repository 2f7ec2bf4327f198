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
mod lower;
mod notes;
mod syntax;
mod value;

pub use notes::Remarks;
pub use value::{Answered, QueryError, RangeSeries, Sample, SamplesRead, Value};

use super::store::{Matcher, Store};
use eval::{Engine, Steps};
use expr::{Expr, Kind};
use syntax::{Node, Scale};

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

/// What one evaluation may take.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// How far back an instant selector looks, in milliseconds.
    pub lookback_ms: i64,
    /// How many samples may be loaded and made.
    pub max_samples: usize,
    /// Says whether there is no time left.
    pub expired: &'a dyn Fn() -> bool,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Self { lookback_ms: LOOKBACK_MS, max_samples: MAX_QUERY_SAMPLES, expired: &|| false }
    }
}

/// A query that has been read and checked.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    node: Node,
    /// For one time. Some mistakes in constant texts and durations are mistakes of the evaluation.
    expr: Result<Expr, QueryError>,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY_BYTES {
            return Err(QueryError::Parse(format!(
                "1:1: parse error: the query is longer than {MAX_QUERY_BYTES} bytes"
            )));
        }
        let node = syntax::parse(text).map_err(|error| QueryError::Parse(error.in_query(text)))?;
        Ok(Self { text: text.to_owned(), expr: lower::lower(&node, Scale::default()), node })
    }

    /// The answer at `t_ms` (milliseconds since 1970).
    pub fn instant(&self, store: &Store, t_ms: i64) -> Result<Value, QueryError> {
        self.answer(store, t_ms, Terms::default()).map(|answered| answered.value)
    }

    /// As [`Query::instant`], on these terms, with what there is to say about the answer.
    pub fn answer(&self, store: &Store, t_ms: i64, terms: Terms) -> Result<Answered, QueryError> {
        let engine = Engine::new(store, t_ms, t_ms, terms);
        let value = engine.instant(self.expr.as_ref().map_err(Clone::clone)?, t_ms)?;
        Ok(engine.answered(value, &self.text))
    }

    /// The answers from `start_ms` to `end_ms`, every `step_ms`.
    pub fn range(&self, store: &Store, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Value, QueryError> {
        self.answers(store, (start_ms, end_ms, step_ms), Terms::default()).map(|answered| answered.value)
    }

    /// As [`Query::range`] (start, end, step), on these terms, with what there is to say about the answers.
    pub fn answers(
        &self,
        store: &Store,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        terms: Terms,
    ) -> Result<Answered, QueryError> {
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
        let kind = self.node.kind();
        if matches!(kind, Kind::Matrix | Kind::Text) {
            let kind = kind.documented();
            let text = format!("invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector");
            return Err(QueryError::BadData(text));
        }
        let steps = Steps { start_ms, step_ms, count: steps as usize + 1 };
        let engine = Engine::new(store, start_ms, end_ms, terms);
        let expr = lower::lower(&self.node, Scale { step_ms, range_ms: end_ms.saturating_sub(start_ms) })?;
        let value = engine.range(&expr, steps)?;
        Ok(engine.answered(value, &self.text))
    }

    /// The query over several lines where it is long, as Prometheus formats it.
    #[must_use]
    pub fn pretty(&self) -> String {
        syntax::pretty(&self.node)
    }

    /// The query's tree, as Prometheus' web page reads it.
    #[must_use]
    pub fn tree(&self) -> serde_json::Value {
        syntax::json(&self.node)
    }

    /// Whether it reads any series at all.
    #[must_use]
    pub fn selects(&self) -> bool {
        self.node.selects()
    }
}

/// On one line, as Prometheus writes it.
impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.node.fmt(f)
    }
}

/// The matchers of a plain selector (`up{job="a"}`), as `match[]` of the HTTP API has it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, QueryError> {
    let selector = syntax::parse_selector(text).map_err(|error| QueryError::Parse(error.in_query(text)))?;
    Ok(selector.matchers)
}

#[cfg(test)]
mod tests;
