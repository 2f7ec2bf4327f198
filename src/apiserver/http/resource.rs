//! Requests for objects: which verb is meant, and calling it.

use super::answer::{Answer, Include, Shown};
use super::path::At;
use super::{Call, body, query};
use crate::apiserver::api::Page;
use crate::apiserver::api::{self, Api};
use crate::apiserver::kinds::{Kind, resource};
use crate::apiserver::meta;
use crate::apiserver::object::Object;
use crate::apiserver::options::{PatchKind, Subresource, Target, TextFaults, WriteOptions};
use crate::apiserver::server::Server;
use crate::apiserver::status::{Reason, Status};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// A request for a kind that exists, at one of its versions.
struct Visit {
    api: Api,
    kind: Arc<Kind>,
    at: At,
    subresource: Subresource,
    shown: Shown,
    warnings: Arc<Mutex<Vec<String>>>,
}

pub async fn call(server: &Server, at: At, call: Call) -> Result<Answer, Status> {
    let kind = server.kind_at(&at.group, &at.version, &at.plural)?;
    let namespace_fits = match (&at.namespace, kind.namespaced) {
        (Some(_), namespaced) => namespaced,
        (None, true) => at.name.is_none(),
        (None, false) => true,
    };
    if !namespace_fits {
        return Err(Status::no_such_resource());
    }
    let subresource = match at.subresource.as_deref() {
        None => Subresource::Main,
        Some("status") => Subresource::Status,
        Some("scale") => Subresource::Scale,
        Some("finalize") if kind.key == "namespaces" => Subresource::Main,
        Some(_) => return Err(Status::no_such_resource()),
    };
    api::check_subresource(&kind, subresource).map_err(|it| match &at.name {
        // A custom kind's subresources are looked up with the object.
        Some(name) if kind.custom => kind.not_found(name),
        _ => it,
    })?;
    let include = match call.asks("includeObject") {
        "None" => Include::None,
        "Object" => Include::Object,
        _ => Include::Metadata,
    };
    let warnings = Arc::new(Mutex::new(Vec::new()));
    if kind.key == resource::ENDPOINTS {
        let text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    }
    let shown = Shown { now: server.now(), include };
    let visit = Visit { api: server.api(), kind, at, subresource, shown, warnings: Arc::clone(&warnings) };
    let answer = visit.dispatch(call).await?;
    let warnings = std::mem::take(&mut *warnings.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(if warnings.is_empty() { answer } else { Answer::Warned { warnings, answer: Box::new(answer) } })
}

impl Visit {
    async fn dispatch(self, call: Call) -> Result<Answer, Status> {
        let watching = self.at.watch || query::is_true(call.asks("watch"));
        match (&call.method, self.at.name.is_some()) {
            // At the address of one object only the old form of the address watches.
            (&Method::GET, named) if watching && (!named || self.at.watch) => self.watch(&call),
            (&Method::GET, true) => {
                self.check_revision(&call)?;
                let object = self.api.part(&self.target())?;
                Ok(self.object(object, StatusCode::OK))
            }
            (&Method::GET, false) => {
                let list =
                    self.api.page(api::kept_as(&self.kind), self.at.namespace.as_deref(), &query::list(&call)?)?;
                Ok(self.list(list))
            }
            (&Method::POST, false) => self.create(call).await,
            (&Method::PUT, true) => self.update(call).await,
            (&Method::PATCH, true) => self.patch(call).await,
            (&Method::DELETE, true) if self.subresource == Subresource::Main => self.delete(call).await,
            (&Method::DELETE, false) if self.kind.key != resource::NAMESPACES => self.delete_collection(call).await,
            _ => Err(Status::method_forbidden()),
        }
    }

    fn target(&self) -> Target<'_> {
        let namespace = self.at.namespace.as_deref().unwrap_or_default();
        let name = self.at.name.as_deref().unwrap_or_default();
        Target { subresource: self.subresource, ..Target::new(api::kept_as(&self.kind), namespace, name) }
    }

    /// Whoever asks for at least a version that is yet to come waits in vain.
    fn check_revision(&self, call: &Call) -> Result<(), Status> {
        let asked = query::revision(call).map_err(|it| Status::new(500, Reason::Unknown, it))?;
        self.api.check_revision(asked.unwrap_or(0))
    }

    fn write_options(&self, call: &Call, kind: &str) -> Result<WriteOptions, Status> {
        let version = api::spoken(&self.kind, &self.at.version);
        Ok(WriteOptions { version, warnings: Some(Arc::clone(&self.warnings)), ..query::write(call, kind)? })
    }

    fn object(&self, object: Arc<Object>, code: StatusCode) -> Answer {
        let (kind, version) = (Arc::clone(&self.kind), self.at.version.clone());
        Answer::Object { kind, version, object, code, options: self.shown }
    }

    fn list(&self, list: Page) -> Answer {
        let (kind, version) = (Arc::clone(&self.kind), self.at.version.clone());
        Answer::List { kind, version, list, options: self.shown }
    }

    fn watch(&self, call: &Call) -> Result<Answer, Status> {
        let mut options = query::watch(call)?;
        if let Some(name) = &self.at.name {
            let selector = options.field_selector.get_or_insert_default();
            selector.require("metadata.name", name);
        }
        let stream = self.api.changes(api::kept_as(&self.kind), self.at.namespace.as_deref(), options)?;
        let (kind, version) = (Arc::clone(&self.kind), self.at.version.clone());
        Ok(Answer::Watch { kind, version, stream, options: self.shown })
    }

    async fn decoded(&self, call: Call) -> Result<(Value, TextFaults), Status> {
        let media = body::media_type(&call);
        let bytes = body::read(call.body).await?;
        let (object, faults) = body::object(&bytes, &media, &self.kind.kind)?;
        if self.subresource == Subresource::Scale {
            return Ok((object, faults));
        }
        if self.kind.custom {
            body::check_type(&object, &bytes, &self.kind.kind)?;
        }
        Ok((api::to_storage(&self.kind, &self.at.version, object)?, faults))
    }

    async fn create(self, call: Call) -> Result<Answer, Status> {
        let mut options = self.write_options(&call, "CreateOptions")?;
        let object;
        (object, options.text) = self.decoded(call).await?;
        let namespace = self.at.namespace.as_deref().unwrap_or_default();
        let stored = self.api.created(api::kept_as(&self.kind), namespace, object, &options)?;
        Ok(self.object(stored, StatusCode::CREATED))
    }

    async fn update(self, call: Call) -> Result<Answer, Status> {
        let mut options = self.write_options(&call, "UpdateOptions")?;
        let object;
        (object, options.text) = self.decoded(call).await?;
        let stored = self.api.updated(&self.target(), object, &options)?;
        Ok(self.object(stored, StatusCode::OK))
    }

    async fn patch(self, call: Call) -> Result<Answer, Status> {
        let mut options = self.write_options(&call, "PatchOptions")?;
        let media = body::media_type(&call);
        let manager = call.asks("fieldManager").to_owned();
        let force = query::is_true(call.asks("force"));
        let kind = match media.as_str() {
            "application/json-patch+json" => PatchKind::Json,
            "application/merge-patch+json" => PatchKind::Merge,
            "application/strategic-merge-patch+json" if !self.kind.custom => PatchKind::Strategic,
            "application/apply-patch+yaml" => PatchKind::Apply { field_manager: manager, force },
            _ => return Err(unsupported_patch(&self.kind)),
        };
        if !matches!(kind, PatchKind::Apply { .. }) {
            query::check_force(&call)?;
        }
        let bytes = body::read(call.body).await?;
        let value;
        (value, options.text) = match kind {
            PatchKind::Apply { .. } => {
                let (config, faults) = body::yaml(&bytes)?;
                api::check_applied(&self.kind, &self.at.version, &config)?;
                (api::to_storage(&self.kind, &self.at.version, config)?, faults)
            }
            PatchKind::Json => {
                let (value, faults) = body::patch(&bytes)?;
                let faults = body::operations(&value, faults);
                (value, faults)
            }
            PatchKind::Merge | PatchKind::Strategic => body::patch(&bytes)?,
        };
        let (stored, created) = self.api.patched(&self.target(), &kind, value, &options)?;
        Ok(self.object(stored, if created { StatusCode::CREATED } else { StatusCode::OK }))
    }

    async fn delete_options(&self, call: Call) -> Result<(Call, Value), Status> {
        let media = body::media_type(&call);
        let Call { method, headers, query, body, upgrade, user } = call;
        let bytes = body::read(body).await?;
        let value = if bytes.is_empty() { Value::Null } else { body::object(&bytes, &media, "DeleteOptions")?.0 };
        Ok((Call { method, headers, query, body: axum::body::Body::empty(), upgrade, user }, value))
    }

    async fn delete(self, call: Call) -> Result<Answer, Status> {
        let (call, value) = self.delete_options(call).await?;
        let options = query::delete(&call, &value)?;
        let target = self.target();
        let object = self.api.deleted(target.resource, (target.namespace, target.name), &options)?;
        // The real server answers with the object while it is still going, with a Status once it is gone; pods, services
        // and a few others always answer with themselves.
        let value = object.value();
        let shows_object = meta::is_terminating(&value)
            || matches!(self.kind.key.as_str(), "pods" | "services" | "serviceaccounts" | "namespaces");
        if shows_object {
            return Ok(self.object(object, StatusCode::OK));
        }
        let details = json!({
            "name": target.name, "group": self.kind.group, "kind": self.kind.plural, "uid": meta::text(&value, "uid")
        });
        let details = without_empty(details);
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details
        });
        Ok(self.object(Object::new(status), StatusCode::OK))
    }

    async fn delete_collection(self, call: Call) -> Result<Answer, Status> {
        let (call, value) = self.delete_options(call).await?;
        let options = query::delete(&call, &value)?;
        let list = query::list(&call)?;
        let gone =
            self.api.deleted_collection(api::kept_as(&self.kind), self.at.namespace.as_deref(), &list, &options)?;
        Ok(self.list(gone))
    }
}

fn without_empty(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| value.as_str() != Some(""));
    }
    value
}

fn unsupported_patch(kind: &Kind) -> Status {
    let accepted = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
    let message = if kind.custom {
        format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        )
    } else {
        // The built-in kinds are refused a step earlier there, with fewer words.
        "415: Unsupported Media Type".to_owned()
    };
    Status::new(415, Reason::UnsupportedMediaType, message)
}
