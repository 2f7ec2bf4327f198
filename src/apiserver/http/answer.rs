//! Answers: objects, lists, tables and streams, in the form that the client accepts.

use crate::apiserver::kinds::Kind;
use crate::apiserver::meta;
use crate::apiserver::status::{Reason, Status};
use crate::apiserver::table;
use crate::apiserver::watch::{WatchEvent, WatchEventKind, WatchStream};
use crate::apiserver::{List, api};
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// In which form the client wants objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Plain,
    /// `as=Table`: rows with the kind's columns.
    Table,
    /// `as=PartialObjectMetadata` or its list.
    Metadata,
}

/// What the `Accept` header comes down to; None: nothing that this server can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    pub form: Form,
    pub yaml: bool,
    pub any: bool,
}

/// Reads `Accept`; the first offer that the server can make counts.
pub fn accepted(text: &str) -> Accept {
    let plain = Accept { form: Form::Plain, yaml: false, any: true };
    if text.is_empty() {
        return plain;
    }
    for offer in text.split(',') {
        let mut parts = offer.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<_> = parts.filter_map(|it| it.split_once('=')).collect();
        let told = |key| parameters.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let form = match told("as") {
            None => Form::Plain,
            Some(_) if !matches!(told("g"), Some("meta.k8s.io")) => Form::Plain,
            Some("Table") => Form::Table,
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Form::Metadata,
            Some(_) => continue,
        };
        match media {
            "application/json" | "*/*" | "application/*" => return Accept { form, ..plain },
            "application/yaml" => return Accept { form, yaml: true, ..plain },
            _ => {}
        }
    }
    Accept { any: false, ..plain }
}

/// An answer before it is written down.
pub enum Answer {
    /// Discovery and the like: as it is.
    Document(Document),
    Object {
        kind: Arc<Kind>,
        version: String,
        object: Arc<Value>,
        code: StatusCode,
        options: Shown,
    },
    List {
        kind: Arc<Kind>,
        version: String,
        list: List,
        options: Shown,
    },
    Watch {
        kind: Arc<Kind>,
        version: String,
        stream: WatchStream,
        options: Shown,
    },
    /// An answer with something to tell beside it.
    Warned {
        warnings: Vec<String>,
        answer: Box<Answer>,
    },
    /// A finished answer, of the proxy.
    Raw(Response),
}

/// A text with its media type.
pub struct Document {
    pub media: &'static str,
    pub text: String,
}

/// What a table depends on beside the objects.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    pub now: Timestamp,
    /// `includeObject` of a table.
    pub include: Include,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    None,
    Metadata,
    Object,
}

pub fn refusal(status: &Status) -> Response {
    if status.code == 404 && status.message == NO_SUCH_PAGE {
        return respond(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", format!("{NO_SUCH_PAGE}\n"));
    }
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    respond(code, "application/json", status.to_value().to_string())
}

const NO_SUCH_PAGE: &str = "404 page not found";

impl Status {
    /// No such path at all; written as text, as Go's servers do.
    pub(in crate::apiserver) fn no_such_page() -> Self {
        Self::new(404, Reason::NotFound, NO_SUCH_PAGE)
    }
}

fn respond(code: StatusCode, media: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

impl Answer {
    pub fn into_response(self, accept: &Accept) -> Response {
        if !accept.any && !matches!(self, Self::Document(_) | Self::Raw(_)) {
            let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml";
            return refusal(&Status::new(406, Reason::NotAcceptable, message));
        }
        match self {
            Self::Raw(response) => response,
            Self::Warned { warnings, answer } => {
                let mut response = answer.into_response(accept);
                for warning in warnings {
                    let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
                    if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
                        response.headers_mut().append(header::WARNING, value);
                    }
                }
                response
            }
            Self::Document(document) => respond(StatusCode::OK, document.media, document.text),
            Self::Object { kind, version, object, code, options } => {
                write(code, accept, &one(&kind, &version, &object, accept, options))
            }
            Self::List { kind, version, list, options } => {
                write(StatusCode::OK, accept, &many(&kind, &version, &list, accept, options))
            }
            Self::Watch { kind, version, stream, options } => {
                let form = accept.form.clone();
                let mut first = true;
                let lines = stream.map(move |event| {
                    let line = event_line(&kind, &version, &event, &form, (options, first));
                    first = false;
                    Ok::<_, std::convert::Infallible>(line)
                });
                respond(StatusCode::OK, "application/json", Body::from_stream(lines))
            }
        }
    }
}

fn write(code: StatusCode, accept: &Accept, value: &Value) -> Response {
    if accept.yaml
        && let Ok(text) = serde_saphyr::to_string(value)
    {
        return respond(code, "application/yaml", text);
    }
    respond(code, "application/json", value.to_string())
}

fn one(kind: &Kind, version: &str, object: &Arc<Value>, accept: &Accept, options: Shown) -> Value {
    // A scale and a Status are not objects of the kind: they have no columns of it.
    let own = object.get("kind").and_then(Value::as_str) == Some(kind.kind.as_str());
    match accept.form {
        Form::Table if own => {
            let metadata = json!({ "resourceVersion": meta::text(object, "resourceVersion") });
            table::table(kind, version, std::slice::from_ref(object), &metadata, options)
        }
        Form::Metadata if own => partial(object),
        _ => (*api::at_version(kind, version, object)).clone(),
    }
}

fn list_metadata(list: &List) -> Value {
    let mut metadata = json!({ "resourceVersion": list.resource_version.to_string() });
    if let Some(token) = &list.continue_ {
        metadata["continue"] = json!(token);
    }
    if let Some(remaining) = list.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    metadata
}

fn many(kind: &Kind, version: &str, list: &List, accept: &Accept, options: Shown) -> Value {
    let metadata = list_metadata(list);
    match accept.form {
        Form::Table => table::table(kind, version, &list.items, &metadata, options),
        Form::Metadata => {
            let items: Vec<_> = list.items.iter().map(|it| partial(it)).collect();
            json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items
            })
        }
        Form::Plain => {
            // Items of built-in lists carry no type of their own, those of custom ones do; so it is on the real server.
            let items: Vec<_> = list.items.iter().map(|it| item(kind, version, it)).collect();
            json!({
                "kind": kind.list_kind, "apiVersion": kind.api_version_of(version), "metadata": metadata, "items": items
            })
        }
    }
}

fn item(kind: &Kind, version: &str, object: &Arc<Value>) -> Value {
    let mut value = (*api::at_version(kind, version, object)).clone();
    if let (false, Some(map)) = (kind.custom, value.as_object_mut()) {
        map.shift_remove("kind");
        map.shift_remove("apiVersion");
    }
    value
}

fn partial(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata") })
}

/// One event as a line. The first table of a watch brings the columns, later ones only rows.
fn event_line(kind: &Kind, version: &str, event: &WatchEvent, form: &Form, (options, first): (Shown, bool)) -> Bytes {
    let object = match (event.kind, form) {
        (WatchEventKind::Error, _) => (*event.object).clone(),
        (_, Form::Table) => {
            let metadata = json!({ "resourceVersion": meta::text(&event.object, "resourceVersion") });
            let rows = std::slice::from_ref(&event.object);
            let rows = if event.kind == WatchEventKind::Bookmark { &[] } else { rows };
            let mut table = table::table(kind, version, rows, &metadata, options);
            if !first {
                table["columnDefinitions"] = Value::Null;
            }
            table
        }
        (_, Form::Metadata) => partial(&event.object),
        (_, Form::Plain) => (*api::at_version(kind, version, &event.object)).clone(),
    };
    let mut line = json!({ "type": event.kind.as_str(), "object": object }).to_string();
    line.push('\n');
    Bytes::from(line)
}
