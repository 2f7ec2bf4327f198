//! Webhook transport: Flagger's POST through go-retryablehttp, with its texts.
//!
//! A call succeeds with a status of 202 or less. Connection errors, timeouts, 429 and 5xx except 501 are tried again as
//! often as the hook's `retries` says; when they stay, the text counts the attempts and the body is lost. Any other status
//! fails at once, and its body is the text.

use crate::canary::HookCall;
use crate::model::duration::parse_go;
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Response, SharedHttp};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, StatusCode};
use jiff::Timestamp;
use std::time::Duration;

/// Time limit of one attempt where the hook names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// First wait between attempts; each further one doubles it.
const BACKOFF_START: Duration = Duration::from_secs(1);
/// The longest wait between attempts that the server did not ask for.
const BACKOFF_LIMIT: Duration = Duration::from_secs(30);
/// The highest status that counts as success.
const LAST_SUCCESS: u16 = 202;
/// Upper bound of a hook's `retries`, so that no tick lasts for ever.
const MAX_RETRIES: u32 = 1_000;

/// Calls a webhook; the error is the text that Flagger's event would carry.
pub(super) async fn call(http: &SharedHttp, clock: &Clock, call: &HookCall) -> Result<(), String> {
    let timeout = parse_go(&call.hook.timeout).unwrap_or(DEFAULT_TIMEOUT);
    let retries = u32::try_from(call.hook.retries).unwrap_or(0).min(MAX_RETRIES);
    let body = Bytes::from(call.payload.to_string());
    let mut attempt = 0;
    loop {
        attempt += 1;
        let result = match request(&call.hook.url, body.clone()) {
            Ok(request) => http.send(request, timeout).await,
            Err(cause) => return Err(gave_up(&call.hook.url, attempt, Some(&cause))),
        };
        match &result {
            Ok(answer) if !is_retried(answer.status()) => return settle(answer),
            _ if attempt > retries => {
                return Err(gave_up(&call.hook.url, attempt, result.err().map(cause).as_deref()));
            }
            _ => tokio::time::sleep(backoff(attempt, result.ok().as_ref(), clock.now())).await,
        }
    }
}

fn request(url: &str, body: Bytes) -> Result<Request<Bytes>, String> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if !matches!(scheme, "http" | "https") {
        return Err(format!("unsupported protocol scheme {scheme:?}"));
    }
    let request = Request::post(url).header(CONTENT_TYPE, "application/json").body(body);
    request.map_err(|why| why.to_string())
}

fn is_retried(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

fn settle(answer: &Response) -> Result<(), String> {
    if answer.status().as_u16() <= LAST_SUCCESS {
        return Ok(());
    }
    Err(String::from_utf8_lossy(answer.body()).into_owned())
}

/// Go's HTTP client adds which of its limits was hit.
fn cause(error: HttpError) -> String {
    match error {
        HttpError::Timeout => format!("{error} (Client.Timeout exceeded while awaiting headers)"),
        other => other.to_string(),
    }
}

fn gave_up(url: &str, attempts: u32, cause: Option<&str>) -> String {
    let url = redacted(url);
    let given_up = format!("POST {url} giving up after {attempts} attempt(s)");
    cause.map_or(given_up.clone(), |cause| format!("{given_up}: Post \"{url}\": {cause}"))
}

/// Passwords in addresses stay out of events.
fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return url.to_owned() };
    match user.split_once(':') {
        Some((name, _)) => format!("{scheme}://{name}:xxxxx@{host}{}", &rest[end..]),
        None => url.to_owned(),
    }
}

/// How long to wait after attempt number `attempt` (1-based).
fn backoff(attempt: u32, answer: Option<&Response>, now: Timestamp) -> Duration {
    if let Some(asked) = answer.and_then(|it| retry_after(it, now)) {
        return asked;
    }
    let doubled = 1u32.checked_shl(attempt - 1).and_then(|times| BACKOFF_START.checked_mul(times));
    doubled.map_or(BACKOFF_LIMIT, |wait| wait.min(BACKOFF_LIMIT))
}

/// What a 429 or 503 asks for: seconds, or a date.
fn retry_after(answer: &Response, now: Timestamp) -> Option<Duration> {
    if !matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    // A date in the past means at once.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
