//! Answers: objects, lists, tables and streams, in the form that the client accepts.

use super::list;
use crate::apiserver::api::{self, Page};
use crate::apiserver::kinds::Kind;
use crate::apiserver::meta;
use crate::apiserver::object::Object;
use crate::apiserver::status::{Reason, Status};
use crate::apiserver::table::{self, Table};
use crate::apiserver::watch::{Event, WatchEventKind};
use axum::body::{Body, Bytes};
use axum::response::Response;
use bytes::{BufMut, BytesMut};
use futures_util::stream::{BoxStream, StreamExt};
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
        object: Arc<Object>,
        code: StatusCode,
        options: Shown,
    },
    List {
        kind: Arc<Kind>,
        version: String,
        list: Page,
        options: Shown,
    },
    Watch {
        kind: Arc<Kind>,
        version: String,
        stream: BoxStream<'static, Event>,
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

impl Answer {
    /// A value that is no object of a kind that is kept.
    pub fn value(code: StatusCode, value: &Value) -> Self {
        Self::Raw(respond(code, "application/json", value.to_string()))
    }
}

/// A text with its media type.
pub struct Document {
    pub media: &'static str,
    pub text: String,
}

/// A body with the headers that it was given.
#[derive(Debug)]
pub struct Reply {
    code: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Reply {
    pub fn ok(media: &str, body: Bytes) -> Self {
        Self { code: StatusCode::OK, headers: vec![("content-type", media.to_owned())], body }
    }

    pub fn empty(code: StatusCode) -> Self {
        Self { code, headers: Vec::new(), body: Bytes::new() }
    }

    pub fn moved(to: String) -> Self {
        Self::empty(StatusCode::MOVED_PERMANENTLY).with("location", to)
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.code;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
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
    if status.message == TOO_LATE {
        // What answers there stands before the API, and knows neither its media types nor its versions.
        let mut value = status.to_value();
        value
            .as_object_mut()
            .into_iter()
            .for_each(|it| it.retain(|key, _| !matches!(key.as_str(), "kind" | "apiVersion")));
        return respond(code, "text/plain; charset=utf-8", value.to_string());
    }
    respond(code, JSON, format!("{}\n", status.to_value()))
}

const JSON: &str = "application/json";
const NO_SUCH_PAGE: &str = "404 page not found";
const TOO_LATE: &str = "Timeout: request did not complete within the allotted timeout";

impl Status {
    /// No such path at all; written as text, as Go's servers do.
    pub(in crate::apiserver) fn no_such_page() -> Self {
        Self::new(404, Reason::NotFound, NO_SUCH_PAGE)
    }

    /// The request took longer than it may.
    pub(in crate::apiserver) fn too_late() -> Self {
        Self::new(504, Reason::Timeout, TOO_LATE).with_causes(Vec::new())
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
                write(code, accept, one(&kind, &version, &object, (&accept.form, options)))
            }
            Self::List { kind, version, list, options } if accept.yaml => {
                let text = list::text(&kind, &version, list, (&accept.form, options));
                write(StatusCode::OK, accept, text.freeze())
            }
            Self::List { kind, version, list, options } => {
                respond(StatusCode::OK, JSON, list::body(&kind, &version, list, (&accept.form, options)))
            }
            Self::Watch { kind, version, stream, options } => {
                let mut lines = Lines::new(kind, version, accept.form.clone(), options);
                let chunks = stream.ready_chunks(EVENTS_AT_ONCE);
                let chunks = chunks.map(move |events| Ok::<_, std::convert::Infallible>(lines.chunk(&events)));
                respond(StatusCode::OK, JSON, Body::from_stream(chunks))
            }
        }
    }
}

fn write(code: StatusCode, accept: &Accept, json: Bytes) -> Response {
    if accept.yaml
        && let Ok(value) = serde_json::from_slice::<Value>(&json)
        && let Ok(text) = serde_saphyr::to_string(&value)
    {
        return respond(code, "application/yaml", text);
    }
    // Go's encoder ends with a line.
    respond(code, JSON, [&json[..], b"\n"].concat())
}

fn one(kind: &Arc<Kind>, version: &str, object: &Arc<Object>, (form, options): (&Form, Shown)) -> Bytes {
    // A scale and a Status are not objects of the kind: they have no columns of it.
    let is = |name: &str| object.glance().get("kind").and_then(Value::as_str) == Some(name);
    let table = match form {
        Form::Table if is(&kind.kind) => Table::new(kind, version, options),
        Form::Table if is("Scale") => Table::of_scale(kind, version, options),
        Form::Metadata if is(&kind.kind) => return partial(object),
        _ => return api::text_at_version(kind, version, object),
    };
    let mut text = BytesMut::new();
    write_table(&table, (object, true), true, &mut text);
    text.freeze()
}
/// A table of one object, with or without its row and its columns.
fn write_table(table: &Table, (object, row): (&Arc<Object>, bool), columns: bool, text: &mut BytesMut) {
    let metadata = json!({ "resourceVersion": meta::text(&object.glance(), "resourceVersion") });
    let columns = if columns { Value::from(table.columns.as_slice()) } else { Value::Null };
    let head = format!(
        r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"columnDefinitions":{columns},"rows":["#
    );
    text.put_slice(head.as_bytes());
    if row {
        table.row(object, text);
    }
    text.put_slice(b"]}");
}

fn partial(object: &Object) -> Bytes {
    let mut text = BytesMut::new();
    table::partial(object, &mut text);
    text.freeze()
}

/// Events of a watch that are written in one piece where so many wait.
const EVENTS_AT_ONCE: usize = 32;
/// What stands around an object in the line of its event, at most.
const AROUND_BYTES: usize = 64;

/// Writes the events of one watch as lines.
struct Lines {
    kind: Arc<Kind>,
    version: String,
    form: Form,
    table: Option<Table>,
    /// The first table of a watch brings the columns, later ones only rows.
    first: bool,
}

impl Lines {
    fn new(kind: Arc<Kind>, version: String, form: Form, options: Shown) -> Self {
        let table = (form == Form::Table).then(|| Table::new(&kind, &version, options));
        Self { kind, version, form, table, first: true }
    }

    fn chunk(&mut self, events: &[Event]) -> Bytes {
        let size = |it: &Event| AROUND_BYTES + if self.form == Form::Plain { it.object.json_text().len() } else { 0 };
        let mut chunk = BytesMut::with_capacity(events.iter().map(size).sum());
        events.iter().for_each(|it| self.line(it, &mut chunk));
        chunk.freeze()
    }

    fn line(&mut self, event: &Event, line: &mut BytesMut) {
        line.put_slice(br#"{"type":""#);
        line.put_slice(event.kind.as_str().as_bytes());
        line.put_slice(br#"","object":"#);
        match (event.kind, &self.form, &self.table) {
            (WatchEventKind::Error, ..) => line.put_slice(event.object.json_text()),
            (kind, _, Some(table)) => {
                let row = kind != WatchEventKind::Bookmark;
                write_table(table, (&event.object, row), std::mem::take(&mut self.first), line);
            }
            (_, Form::Metadata, _) => table::partial(&event.object, line),
            _ => api::write_at_version(&self.kind, &self.version, &event.object, line),
        }
        line.put_slice(b"}\n");
    }
}
