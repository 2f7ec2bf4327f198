//! Lists, put together from the texts of their objects, piece by piece, without making the whole of it first.

use super::answer::{Form, Shown};
use crate::apiserver::api::{self, Page};
use crate::apiserver::kinds::Kind;
use crate::apiserver::object::Object;
use crate::apiserver::table::{self, Table};
use axum::body::{Body, Bytes};
use bytes::{BufMut, BytesMut};
use futures_util::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

/// How much is put together before it is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// Writes one item.
type Item = Box<dyn Fn(&Arc<Object>, &mut BytesMut) + Send>;

/// What of a list is still to be written.
struct Chunks {
    /// Everything up to the first item; empty once it has been written.
    head: String,
    objects: std::vec::IntoIter<Arc<Object>>,
    item: Item,
    first: bool,
    done: bool,
}

/// The page as a list in this form.
pub fn body(kind: &Arc<Kind>, version: &str, page: Page, (form, options): (&Form, Shown)) -> Body {
    Body::from_stream(stream::iter(chunks(kind, version, page, (form, options)).map(Ok::<_, Infallible>)))
}

/// The same as one text.
pub fn text(kind: &Arc<Kind>, version: &str, page: Page, (form, options): (&Form, Shown)) -> BytesMut {
    let mut text = BytesMut::new();
    chunks(kind, version, page, (form, options)).for_each(|it| text.extend_from_slice(&it));
    text
}

fn chunks(kind: &Arc<Kind>, version: &str, page: Page, (form, options): (&Form, Shown)) -> Chunks {
    let metadata = metadata(&page);
    let (head, item): (String, Item) = match form {
        Form::Table => {
            let table = Table::new(kind, version, options);
            let columns = Value::from(table.columns.as_slice());
            let head = format!(
                r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"columnDefinitions":{columns},"rows":["#
            );
            (head, Box::new(move |object, text| table.row(object, text)))
        }
        Form::Metadata => {
            let kind = "PartialObjectMetadataList";
            let head = format!(r#"{{"kind":"{kind}","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"items":["#);
            (head, Box::new(|object, text| table::partial(object, text)))
        }
        Form::Plain => {
            let (name, api_version) = (&kind.list_kind, kind.api_version_of(version));
            let head = format!(r#"{{"kind":"{name}","apiVersion":"{api_version}","metadata":{metadata},"items":["#);
            let (kind, version) = (Arc::clone(kind), version.to_owned());
            (head, Box::new(move |object, text| plain(&kind, &version, object, text)))
        }
    };
    Chunks { head, objects: page.objects.into_iter(), item, first: true, done: false }
}

fn metadata(page: &Page) -> Value {
    let mut metadata = json!({ "resourceVersion": page.resource_version.to_string() });
    if let Some(token) = &page.continue_ {
        metadata["continue"] = json!(token);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    metadata
}

/// Items of built-in lists carry no type of their own, those of custom ones do; so it is on the real server.
fn plain(kind: &Kind, version: &str, object: &Object, text: &mut BytesMut) {
    let shown = api::text_at_version(kind, version, object);
    match Object::without_type(&shown, &kind.kind, &kind.api_version_of(version)).filter(|_| !kind.custom) {
        Some(rest) => {
            text.put_u8(b'{');
            text.put_slice(rest);
        }
        None => text.put_slice(&shown),
    }
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        chunk.put_slice(std::mem::take(&mut self.head).as_bytes());
        while chunk.len() < CHUNK_BYTES {
            let Some(object) = self.objects.next() else {
                chunk.put_slice(b"]}\n");
                self.done = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                chunk.put_u8(b',');
            }
            (self.item)(&object, &mut chunk);
        }
        Some(chunk.freeze())
    }
}
