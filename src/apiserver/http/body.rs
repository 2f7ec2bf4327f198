//! Bodies of requests: JSON, YAML, protobuf.

use super::{Call, MAX_BODY_BYTES, go_json, twice};
use crate::apiserver::json::shallow;
use crate::apiserver::options::TextFaults;
use crate::apiserver::protobuf;
use crate::apiserver::status::{Reason, Status};
use crate::model::duration;
use crate::sys::yaml;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// How much of a body that cannot be read is shown, in hexadecimal, as the real server does.
const SHOWN_BYTES: usize = 30;

/// How long a request may take; the real server's `--request-timeout`. Nothing but its body can keep it waiting here.
const REQUEST_WITHIN: Duration = Duration::from_secs(60);

/// The whole body, at most [`MAX_BODY_BYTES`], within [`REQUEST_WITHIN`].
pub async fn read(body: Body) -> Result<Bytes, Status> {
    read_within(body, REQUEST_WITHIN).await
}

/// The same within the time that the request asks for.
pub async fn read_in_time(body: Body, asked: &str) -> Result<Bytes, Status> {
    read_within(body, patience(asked)?).await
}

async fn read_within(body: Body, within: Duration) -> Result<Bytes, Status> {
    match timeout(within, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(Status::too_late()),
    }
}

/// `timeout=2s`: at most [`REQUEST_WITHIN`], which nothing and no time at all mean as well.
fn patience(asked: &str) -> Result<Duration, Status> {
    let plain = asked.trim_start_matches('-');
    if plain.is_empty() {
        return Ok(REQUEST_WITHIN);
    }
    let parsed = duration::parse_go(plain).map_err(|_| {
        let number = plain.chars().all(|it| it.is_ascii_digit() || it == '.');
        let why = if number { "missing unit in duration" } else { "invalid duration" };
        Status::bad_request(format!("invalid timeout specified in the request URL - time: {why} {asked:?}"))
    })?;
    let none = parsed.is_zero() || plain != asked;
    Ok(if none { REQUEST_WITHIN } else { parsed.min(REQUEST_WITHIN) })
}

/// An error, what caused it, what caused that.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |it| (*it).source())
}

/// A body that was not read to its end: it is too large, stalled, cut off, or not what HTTP allows.
fn broken(error: &axum::Error) -> Status {
    let causes = || causes(error);
    if causes().any(<dyn Error>::is::<LengthLimitError>) {
        let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
        return Status::new(413, Reason::RequestEntityTooLarge, message);
    }
    let is = |kind: io::ErrorKind| causes().any(|it| it.downcast_ref().is_some_and(|it: &io::Error| it.kind() == kind));
    if is(io::ErrorKind::TimedOut) {
        return Status::too_late();
    }
    let cut = causes().any(|it| it.downcast_ref().is_some_and(hyper::Error::is_incomplete_message));
    let why = if cut || is(io::ErrorKind::UnexpectedEof) {
        "unexpected EOF".to_owned()
    } else {
        causes().last().map(ToString::to_string).unwrap_or_default()
    };
    Status::new(500, Reason::Unknown, why)
}

fn shallow_read((value, faults): (Value, TextFaults)) -> Result<(Value, TextFaults), Status> {
    shallow(value).map(|it| (it, faults))
}

/// The media type without its parameters.
pub fn media_type(call: &Call) -> String {
    let text = call.header(&http::header::CONTENT_TYPE);
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// An object of kind `kind`, by its media type, and what was wrong with its text. No media type means JSON.
pub fn object(bytes: &[u8], media: &str, kind: &str) -> Result<(Value, TextFaults), Status> {
    match media {
        "" | "application/json" => from_json(bytes, kind).and_then(shallow_read),
        "application/yaml" => yaml(bytes),
        protobuf::MEDIA_TYPE => protobuf::object(bytes, kind).and_then(shallow).map(|it| (it, TextFaults::default())),
        _ => Err(Status::new(
            415,
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// `null` is an object without fields.
fn from_json(bytes: &[u8], kind: &str) -> Result<(Value, TextFaults), Status> {
    let object = |it: Value| if it.is_null() { Value::Object(Map::new()) } else { it };
    twice::read(bytes).map(|(value, faults)| (object(value), faults)).map_err(|it| {
        let fault = go_json::fault(bytes).unwrap_or_else(|| it.to_string());
        let begin: String = bytes.iter().take(SHOWN_BYTES).map(|it| format!("{it:02x}")).collect();
        let more = if bytes.len() > SHOWN_BYTES { " ..." } else { "" };
        let message = format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: \
             {fault} ({begin}{more})"
        );
        Status::bad_request(message)
    })
}

/// YAML as kubectl's reads it: `0644` is octal. One document.
pub fn yaml(bytes: &[u8]) -> Result<(Value, TextFaults), Status> {
    let wrong = |it: &dyn std::fmt::Display| Status::bad_request(format!("error decoding YAML: {it}"));
    let text = std::str::from_utf8(bytes).map_err(|it| wrong(&it))?;
    // JSON is YAML, and what most clients send under this name.
    if let Ok((value, faults)) = twice::read(bytes)
        && faults.fields.is_empty()
    {
        return shallow_read((value, faults));
    }
    let documents = yaml::documents(text, yaml::Dialect::Kubernetes).map_err(|it| wrong(&it))?;
    let [document] = documents.as_slice() else {
        return Err(wrong(&format!("it has {} documents", documents.len())));
    };
    let mut lines = Vec::new();
    repeated(document, &mut lines);
    Ok((document.to_json(), TextFaults { lines, ..TextFaults::default() }))
}

/// Keys that stand twice in one map, as Go's reader tells them.
fn repeated(node: &yaml::Node, lines: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for entry in node.entries() {
        if !seen.insert(entry.key.as_str()) {
            lines.push(format!("line {}: key {:?} already set in map", entry.key_place.line, entry.key));
        }
        repeated(&entry.value, lines);
    }
    node.items().iter().for_each(|it| repeated(it, lines));
}

/// The body of a patch.
pub fn patch(bytes: &[u8]) -> Result<(Value, TextFaults), Status> {
    let read = twice::read(bytes).map_err(|it| {
        let fault = go_json::fault(bytes).unwrap_or_else(|| it.to_string());
        Status::bad_request(format!("error decoding patch: {fault}"))
    });
    read.and_then(shallow_read)
}

/// The faults of a JSON patch, which are about its operations and not about the object.
pub fn operations(patch: &Value, faults: TextFaults) -> TextFaults {
    let twice = faults.fields.iter().filter(|(_, before)| *before);
    let mut operations: Vec<_> = twice.map(|(path, _)| format!("json patch duplicate field {path:?}")).collect();
    for (index, operation) in patch.as_array().into_iter().flatten().enumerate() {
        let known = |key: &&String| !matches!(key.as_str(), "op" | "path" | "from" | "value");
        let unknown = operation.as_object().into_iter().flat_map(serde_json::Map::keys).filter(known);
        operations.extend(unknown.map(|key| format!("json patch unknown field \"[{index}].{key}\"")));
    }
    TextFaults { operations, ..TextFaults::default() }
}

/// Custom objects must say what they are.
pub fn check_type(object: &Value, bytes: &[u8], kind: &str) -> Result<(), Status> {
    let missing = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().is_empty();
    let Some((_, key)) = [("kind", "Kind"), ("apiVersion", "apiVersion")].into_iter().find(|(key, _)| missing(key))
    else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(bytes);
    let beginning: String = text.chars().take(30).collect();
    let dots = if beginning.len() < text.len() { " ..." } else { "" };
    let message = format!(
        "the object provided is unrecognized (must be of type {kind}): Object '{key}' is missing in '{text}' ({beginning}{dots})"
    );
    Err(Status::bad_request(message))
}
