//! `log`: what a container printed.

use super::flag;
use crate::apiserver::http::Call;
use crate::apiserver::node::{ContainerAt, LogOptions, SharedNodeAgent};
use crate::apiserver::server::Server;
use crate::apiserver::status::{FieldError, Status};
use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::convert::Infallible;

/// Reads and checks the options of a request about the pod `name`.
pub(super) fn options(server: &Server, call: &Call, name: &str) -> Result<LogOptions, Status> {
    let number = |key: &str| match call.asks(key) {
        "" => Ok(None),
        text => text
            .parse::<i64>()
            .map(Some)
            .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))),
    };
    let (tail, seconds, limit) = (number("tailLines")?, number("sinceSeconds")?, number("limitBytes")?);
    let since_time = match call.asks("sinceTime") {
        "" => None,
        text => Some(text.parse::<Timestamp>().map_err(|_| {
            Status::bad_request(format!(
                "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
            ))
        })?),
    };
    let mut errors = Vec::new();
    let mut at_least = |field: &str, value: Option<i64>, least: i64, why: &str| {
        if let Some(value) = value.filter(|it| *it < least) {
            errors.push(FieldError::invalid(field, &json!(value), why));
        }
    };
    at_least("tailLines", tail, 0, "must be greater than or equal to 0");
    at_least("limitBytes", limit, 1, "must be greater than 0");
    if seconds.is_some() && since_time.is_some() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden("[]", why));
    } else {
        let mut at_least = |value: Option<i64>| {
            if let Some(value) = value.filter(|it| *it < 1) {
                errors.push(FieldError::invalid("sinceSeconds", &json!(value), "must be greater than 0"));
            }
        };
        at_least(seconds);
    }
    if !errors.is_empty() {
        return Err(Status::invalid("PodLogOptions", "", name, errors));
    }
    let ago = |seconds: i64| server.now().checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
    let count = |it: i64| u64::try_from(it).unwrap_or_default();
    Ok(LogOptions {
        follow: flag(call, "follow"),
        previous: flag(call, "previous"),
        since: since_time.or(seconds.map(ago)),
        timestamps: flag(call, "timestamps"),
        tail_lines: tail.map(count),
        limit_bytes: limit.map(count),
    })
}

pub(super) fn answer(agent: &SharedNodeAgent, at: &ContainerAt, options: &LogOptions) -> Result<Response, Status> {
    let pieces = agent.logs(at, options)?.map(Ok::<_, Infallible>);
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(response)
}

pub(super) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
