//! Bodies of requests: JSON, YAML, protobuf.

use super::{Call, MAX_BODY_BYTES};
use crate::apiserver::protobuf;
use crate::apiserver::status::{Reason, Status};
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use serde_json::Value;

/// The whole body, at most [`MAX_BODY_BYTES`].
pub async fn read(body: Body) -> Result<Bytes, Status> {
    to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        let message = format!("Request entity too large: limit is {MAX_BODY_BYTES}");
        Status::new(413, Reason::RequestEntityTooLarge, message)
    })
}

/// The media type without its parameters.
pub fn media_type(call: &Call) -> String {
    let text = call.header(&http::header::CONTENT_TYPE);
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// An object of kind `kind`, by its media type. No media type means JSON.
pub fn object(bytes: &[u8], media: &str, kind: &str) -> Result<Value, Status> {
    match media {
        "" | "application/json" => json(bytes, kind),
        "application/yaml" => yaml(bytes),
        protobuf::MEDIA_TYPE => protobuf::object(bytes, kind),
        _ => Err(Status::new(
            415,
            Reason::UnsupportedMediaType,
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

fn json(bytes: &[u8], kind: &str) -> Result<Value, Status> {
    serde_json::from_slice(bytes).map_err(|it| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).into_owned();
        let message = format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: \
             {it} ({text})"
        );
        Status::bad_request(message)
    })
}

/// YAML as kubectl's reads it: `0644` is octal.
pub fn yaml(bytes: &[u8]) -> Result<Value, Status> {
    let text = std::str::from_utf8(bytes).map_err(|it| Status::bad_request(format!("error decoding YAML: {it}")))?;
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|it| Status::bad_request(format!("error decoding YAML: {it}")))
}

/// The body of a patch.
pub fn patch(bytes: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(bytes).map_err(|it| Status::bad_request(format!("error decoding patch: {it}")))
}
