//! The verbs of a Kubernetes API, with JSON in and out.

use crate::cluster::ClusterError;
use crate::cluster::resource::{Discovered, Resource};
use crate::model::object::ObjectRef;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;
use std::sync::Arc;

/// The largest answer that is read whole, in bytes; etcd's own objects end at 1.5 MiB.
const MAX_ANSWER: usize = 64 << 20;
/// Objects per page of a list, as client-go's pager asks for.
const PAGE: &str = "500";

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
pub(super) const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// A way to one Kubernetes API. Cheap to clone; clones share connections and what discovery has found.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: kube::Client,
    pub(super) discovered: Arc<Discovered>,
}

impl Client {
    pub(super) fn over(inner: kube::Client) -> Self {
        Self { inner, discovered: Arc::default() }
    }

    /// An object, or none where there is no object of that name.
    pub async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        let path = self.path(object, None).await?;
        match self.read(&path).await {
            Ok(found) => Ok(Some(found)),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// All objects of a kind, in the server's order, each with its `apiVersion` and `kind`.
    ///
    /// `namespace` none means all namespaces; `labels` is a label selector.
    pub async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        let resource = self.resource(api_version, kind).await?;
        let selectors: Vec<_> = labels.map(|it| ("labelSelector", it)).into_iter().collect();
        let (items, _) = self.list_all(&resource.collection(namespace), &selectors).await?;
        Ok(items.into_iter().map(|item| typed(item, api_version, kind)).collect())
    }

    /// Every page of a list, and the resource version that the list shows.
    pub(super) async fn list_all(
        &self,
        path: &str,
        selectors: &[(&str, &str)],
    ) -> Result<(Vec<Value>, String), ClusterError> {
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            let mut query = selectors.to_vec();
            query.push(("limit", PAGE));
            if !token.is_empty() {
                query.push(("continue", &token));
            }
            let mut page = self.read(&with_query(path, &query)).await?;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            page["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut token);
            if token.is_empty() {
                let version = page["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                return Ok((items, version));
            }
        }
    }

    /// Creates an object; the answer is what the server made of it.
    pub async fn create(&self, object: &Value) -> Result<Value, ClusterError> {
        let named = ObjectRef::of(object);
        let resource = self.resource(&named.api_version, &named.kind).await?;
        self.write(Method::POST, &resource.home(&named.namespace), JSON, object).await
    }

    /// Replaces an object; with a `metadata.resourceVersion` that is no longer the server's this is a conflict.
    pub async fn replace(&self, object: &Value) -> Result<Value, ClusterError> {
        let path = self.path(&ObjectRef::of(object), None).await?;
        self.write(Method::PUT, &path, JSON, object).await
    }

    /// Replaces an object's `status` and nothing else of it.
    pub async fn replace_status(&self, object: &Value) -> Result<Value, ClusterError> {
        let path = self.path(&ObjectRef::of(object), Some("status")).await?;
        self.write(Method::PUT, &path, JSON, object).await
    }

    /// RFC 7386: nulls remove, objects merge, everything else replaces. `subresource`: `status`, `scale`, or none.
    pub async fn merge_patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &Value,
    ) -> Result<Value, ClusterError> {
        self.patch(object, subresource, MERGE_PATCH, patch).await
    }

    /// Strategic merge: as a merge patch, but lists of built-in kinds merge by their keys (containers by `name`, …).
    pub async fn strategic_patch(&self, object: &ObjectRef, patch: &Value) -> Result<Value, ClusterError> {
        self.patch(object, None, STRATEGIC_PATCH, patch).await
    }

    /// RFC 6902: a list of operations that apply all or none.
    pub async fn json_patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &Value,
    ) -> Result<Value, ClusterError> {
        self.patch(object, subresource, JSON_PATCH, patch).await
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        content_type: &'static str,
        patch: &Value,
    ) -> Result<Value, ClusterError> {
        let path = self.path(object, subresource).await?;
        self.write(Method::PATCH, &path, content_type, patch).await
    }

    /// Server-side apply: `object` holds exactly the fields that `field_manager` wants. `force` takes fields from others.
    pub async fn apply(&self, object: &Value, field_manager: &str, force: bool) -> Result<Value, ClusterError> {
        let force = if force { "true" } else { "false" };
        self.apply_with(object, &[("fieldManager", field_manager), ("force", force)]).await
    }

    /// Deletes an object; what it owns is collected in the background.
    pub async fn delete(&self, object: &ObjectRef) -> Result<(), ClusterError> {
        let path = self.path(object, None).await?;
        let options = serde_json::json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        self.write(Method::DELETE, &path, JSON, &options).await.map(drop)
    }

    /// Deletes an object, which stays until all that it owns (and that blocks its owner's deletion) is gone.
    pub async fn delete_with_dependents(&self, object: &ObjectRef) -> Result<(), ClusterError> {
        let path = self.path(object, None).await?;
        let options =
            serde_json::json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"});
        self.write(Method::DELETE, &path, JSON, &options).await.map(drop)
    }

    /// Asks for the server's version, the one question that every Kubernetes API answers to everyone. The time is the
    /// one of the answer's `Date`, the server's own clock; there is none in process.
    pub async fn greet(&self) -> Result<Option<Timestamp>, ClusterError> {
        let request = Request::get("/version").header(ACCEPT, JSON).body(Bytes::new());
        let request = request.map_err(|why| ClusterError::BadRequest(why.to_string()))?;
        let answer = self.send_whole(request).await?;
        if answer.status().as_u16() >= 400 {
            return Err(ClusterError::from_answer(answer.status(), answer.body()));
        }
        let date = answer.headers().get(http::header::DATE).and_then(|it| it.to_str().ok());
        Ok(date.and_then(|it| jiff::fmt::rfc2822::parse(it).ok()).map(|it| it.timestamp()))
    }

    pub(super) async fn path(&self, object: &ObjectRef, subresource: Option<&str>) -> Result<String, ClusterError> {
        if object.name.is_empty() {
            return Err(ClusterError::BadRequest(format!("the {} has no metadata.name", object.kind)));
        }
        let resource: Resource = self.resource(&object.api_version, &object.kind).await?;
        Ok(resource.object(&object.namespace, &object.name, subresource))
    }

    /// GETs a path and reads the answer as JSON.
    pub(super) async fn read(&self, path: &str) -> Result<Value, ClusterError> {
        self.exchange(Method::GET, path, JSON, Bytes::new()).await
    }

    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, ClusterError> {
        let body = serde_json::to_vec(body).map_err(|why| ClusterError::BadRequest(why.to_string()))?;
        self.exchange(method, path, content_type, body.into()).await
    }

    async fn exchange(&self, method: Method, path: &str, kind: &str, body: Bytes) -> Result<Value, ClusterError> {
        let verb = method.to_string();
        let request = Request::builder().method(method).uri(path).header(ACCEPT, JSON).header(CONTENT_TYPE, kind);
        let request = request.body(body).map_err(|why| ClusterError::BadRequest(format!("{path}: {why}")))?;
        let answer = self.send_whole(request).await?;
        if answer.status().as_u16() >= 400 {
            return Err(ClusterError::from_answer(answer.status(), answer.body()));
        }
        let unreadable =
            |why: serde_json::Error| ClusterError::Unreadable { verb, path: path.to_owned(), why: why.to_string() };
        serde_json::from_slice(answer.body()).map_err(unreadable)
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    pub(super) async fn send_whole(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ClusterError> {
        let (verb, path) = (go_verb(request.method()), request.uri().to_string());
        let (parts, body) = self.open(request).await?.into_parts();
        match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(whole) => Ok(Response::from_parts(parts, whole.to_bytes())),
            Err(why) => Err(ClusterError::Unreachable { verb, path, why: why.to_string() }),
        }
    }

    /// Sends a request; the answer's body is still to come.
    pub(super) async fn open(&self, request: Request<Bytes>) -> Result<Response<Body>, ClusterError> {
        let (verb, path) = (go_verb(request.method()), request.uri().to_string());
        let sent = self.inner.send(request.map(Body::from)).await;
        sent.map_err(|why| ClusterError::Unreachable { verb, path, why: why.to_string() })
    }
}

/// A method as Go's HTTP client writes it in errors: `Get`, `Put`.
fn go_verb(method: &Method) -> String {
    let (first, rest) = method.as_str().split_at(1);
    format!("{first}{}", rest.to_ascii_lowercase())
}

/// `path?key=value&…`
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Items of typed lists come without their type; callers need it.
pub(super) fn typed(mut item: Value, api_version: &str, kind: &str) -> Value {
    if let Some(fields) = item.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| api_version.into());
        fields.entry("kind").or_insert_with(|| kind.into());
    }
    item
}
