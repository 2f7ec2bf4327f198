//! Queries.

use super::answer::{Answer, Handled};
use super::params::Params;
use super::{Api, ApiError, json};
use crate::metrics::promql::{Answered, Query, Terms, Value};
use serde_json::json;

pub(super) fn instant(api: &Api, params: &Params) -> Handled {
    let limit = params.limit()?;
    let t_ms = params.time("time", Some(api.host.now_ms()))?;
    evaluate(api, params, limit, |terms| api.database.answer(params.get("query"), t_ms, terms))
}

pub(super) fn range(api: &Api, params: &Params) -> Handled {
    let limit = params.limit()?;
    let (start_ms, end_ms) = (params.time("start", None)?, params.time("end", None)?);
    if end_ms < start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step_ms = params.duration("step")?;
    if step_ms <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", text));
    }
    let span = (start_ms, end_ms, step_ms);
    evaluate(api, params, limit, |terms| api.database.answers(params.get("query"), span, terms))
}

/// Asks on the terms that the parameters and the settings give.
fn evaluate(
    api: &Api,
    params: &Params,
    limit: Option<usize>,
    ask: impl FnOnce(Terms) -> Result<Answered, crate::metrics::QueryError>,
) -> Handled {
    let settings = &api.settings;
    let timeout_ms = params.optional_duration("timeout")?.unwrap_or(i64::MAX).min(settings.timeout_ms);
    let began_ms = api.host.now_ms();
    let expired = || api.host.now_ms().saturating_sub(began_ms) >= timeout_ms;
    let lookback_ms = params.lookback()?.unwrap_or(settings.lookback_ms);
    let answered = ask(Terms { lookback_ms, max_samples: settings.max_samples, expired: &expired });
    let seconds = api.host.now_ms().saturating_sub(began_ms) as f64 / 1000.0;
    api.counted.query(seconds);
    let Answered { mut value, mut remarks, samples } = answered.map_err(|error| ApiError::query("query", error))?;
    let truncated = limit.is_some_and(|limit| value.truncate(limit));
    let stats = params.get("stats");
    if !matches!(stats, "" | "true" | "all") {
        remarks.warnings.push(format!(
            "value {stats:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
            use \"true\" or \"all\""
        ));
    }
    let statistics = (!stats.is_empty()).then(|| {
        json!({
            "timings": {
                "evalTotalTime": seconds,
                "resultSortTime": 0.0,
                "queryPreparationTime": 0.0,
                "innerEvalTime": seconds,
                "execQueueTime": 0.0,
                "execTotalTime": seconds,
            },
            "samples": {
                "totalQueryableSamples": samples.total,
                "samplesRead": samples.read,
                "peakSamples": samples.charged,
            },
        })
    });
    Ok(Answer::from(json::value(&value, statistics.as_ref())).with(remarks).truncated(truncated))
}

impl Value {
    /// Leaves at most so many series; says whether there were more.
    fn truncate(&mut self, limit: usize) -> bool {
        let before = match self {
            Self::Scalar { .. } | Self::Text { .. } => 0,
            Self::Vector(samples) => {
                let before = samples.len();
                samples.truncate(limit);
                before
            }
            Self::Matrix(series) => {
                let before = series.len();
                series.truncate(limit);
                before
            }
        };
        before > limit
    }
}

fn read(params: &Params) -> Result<Query, ApiError> {
    Query::parse(params.get("query")).map_err(|error| ApiError::query("query", error))
}

pub(super) fn format(_: &Api, params: &Params) -> Handled {
    Ok(serde_json::Value::from(read(params)?.pretty()).into())
}

pub(super) fn parse(_: &Api, params: &Params) -> Handled {
    Ok(read(params)?.tree().into())
}

/// There are no exemplars, so what is asked is checked and nothing is found.
pub(super) fn exemplars(_: &Api, params: &Params) -> Handled {
    let (start_ms, end_ms) = params.span()?;
    if end_ms < start_ms {
        return Err(ApiError::bad("end timestamp must not be before start timestamp"));
    }
    let query = Query::parse(params.get("query")).map_err(|error| ApiError::bad(error.to_string()))?;
    Ok(if query.selects() { json!([]).into() } else { Answer::nothing() })
}
