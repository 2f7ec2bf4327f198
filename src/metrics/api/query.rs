//! Queries.

use super::params::Params;
use super::{Answer, Api, ApiError, ErrorKind, json};
use crate::metrics::promql::QueryError;

fn refused(error: QueryError) -> ApiError {
    match error {
        error @ QueryError::Parse(_) => ApiError::parameter("query", error),
        QueryError::BadData(text) => ApiError::bad(text),
        QueryError::Execution(text) => ApiError { kind: ErrorKind::Execution, text },
    }
}

pub(super) fn instant(api: &Api, params: &Params) -> Answer {
    let limit = params.limit()?;
    let t_ms = params.time("time", Some((api.now_ms)()))?;
    let value = api.database.instant(params.get("query"), t_ms).map_err(refused)?;
    Ok(json::value(&value, limit))
}

pub(super) fn range(api: &Api, params: &Params) -> Answer {
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
    let value = api.database.range(params.get("query"), start_ms, end_ms, step_ms);
    let value = value.map_err(|error| match error {
        // What a range query cannot be is the query's fault; the resolution is nobody's.
        QueryError::BadData(text) if text.starts_with("invalid expression type") => ApiError::parameter("query", text),
        error => refused(error),
    })?;
    Ok(json::value(&value, limit))
}
