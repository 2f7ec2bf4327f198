//! Flagger's Prometheus client: one value per query, with its texts.

use crate::canary::{MetricServer, QueryError};
use crate::sys::http::SharedHttp;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Time limit of one query.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a server that is there answers with 1.
const ONLINE_QUERY: &str = "vector(1)";

/// The part of an answer that counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    result: Vec<Element>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Element {
    value: Vec<Value>,
    values: Vec<Value>,
}

/// Asks for the value of a query: that of the last element where there are several.
pub(super) async fn query(http: &SharedHttp, server: &MetricServer, query: &str) -> Result<f64, QueryError> {
    let url = address(&server.address, query);
    let request = request(server, &url).map_err(QueryError::Failed)?;
    let sent = http.send(request, TIMEOUT).await;
    let answer = sent.map_err(|why| QueryError::Failed(format!("request failed: Get \"{url}\": {why}")))?;
    let (status, body) = (answer.status(), String::from_utf8_lossy(answer.body()));
    if status.as_u16() >= 400 {
        let text = status.canonical_reason().unwrap_or_default();
        return Err(QueryError::Failed(format!("error response: Status {} {text}: {body}", status.as_u16())));
    }
    let answer: Answer = serde_json::from_str(&body)
        .map_err(|why| QueryError::Failed(format!("error unmarshaling result: {why}, '{body}'")))?;
    value(&answer.data.result)
}

/// Whether the server is there; the error is Flagger's text.
pub(super) async fn ping(http: &SharedHttp, server: &MetricServer) -> Result<(), String> {
    match query(http, server, ONLINE_QUERY).await {
        Ok(value) if (value - 1.0).abs() < f64::EPSILON => Ok(()),
        Ok(_) => Err(format!("value is not 1 for query: {ONLINE_QUERY}")),
        Err(why) => Err(format!("running query failed: {why}")),
    }
}

fn value(elements: &[Element]) -> Result<f64, QueryError> {
    let mut last = None;
    for element in elements {
        if !element.values.is_empty() {
            return Err(QueryError::Failed("query returned multiple values".to_owned()));
        }
        if let Some(Value::String(text)) = element.value.get(1) {
            let invalid = |_| QueryError::Failed(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"));
            last = Some(text.parse::<f64>().map_err(invalid)?);
        }
    }
    last.filter(|it| !it.is_nan()).ok_or(QueryError::NoValues)
}

fn request(server: &MetricServer, url: &str) -> Result<Request<Bytes>, String> {
    let mut request = Request::get(url);
    for (name, values) in &server.headers {
        for value in values {
            request = request.header(name, value);
        }
    }
    if !server.token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {}", server.token));
    } else if !server.username.is_empty() {
        let pair = BASE64_STANDARD.encode(format!("{}:{}", server.username, server.password));
        request = request.header(AUTHORIZATION, format!("Basic {pair}"));
    }
    request.body(Bytes::new()).map_err(|why| format!("http.NewRequest failed: {why}"))
}

/// `{address}/api/v1/query?query=…`, with runs of white space in the query made one space.
fn address(base: &str, query: &str) -> String {
    let mut collapsed = String::with_capacity(query.len());
    for character in query.chars() {
        let character = if character.is_ascii_whitespace() { ' ' } else { character };
        if !(character == ' ' && collapsed.ends_with(' ')) {
            collapsed.push(character);
        }
    }
    // As Go's url.QueryEscape, which differs from the form encoding in these two; errors show the address.
    let escaped: String = form_urlencoded::byte_serialize(collapsed.as_bytes()).collect();
    let escaped = escaped.replace('*', "%2A").replace("%7E", "~");
    format!("{}/api/v1/query?query={escaped}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests;
