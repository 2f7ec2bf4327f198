//! The scale subresource: replicas of anything that can be scaled, in one shape.

use super::update::Ownership;
use super::{Write, update};
use crate::apiserver::kinds::{Kind, ScalePaths};
use crate::apiserver::meta;
use crate::apiserver::object::Object;
use crate::apiserver::options::Subresource;
use crate::apiserver::selector::label::LabelSelector;
use crate::apiserver::server::State;
use crate::apiserver::status::{FieldError, Status};
use crate::model::object::At;
use serde_json::{Value, json};
use std::sync::Arc;

/// The object, or its scale.
pub(super) fn view(kind: &Kind, subresource: Subresource, object: &Arc<Object>) -> Arc<Object> {
    match (&kind.storage().scale, subresource) {
        (Some(paths), Subresource::Scale) => Object::new(scale_of(paths, &object.value())),
        _ => Arc::clone(object),
    }
}

/// The same, decoded.
pub(super) fn shown(kind: &Kind, subresource: Subresource, object: &Arc<Value>) -> Arc<Value> {
    match (&kind.storage().scale, subresource) {
        (Some(paths), Subresource::Scale) => Arc::new(scale_of(paths, object)),
        _ => Arc::clone(object),
    }
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|it| !it.is_empty()).try_fold(object, |value, key| value.get(key))
}

fn scale_of(paths: &ScalePaths, object: &Value) -> Value {
    let mut metadata = json!({});
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.at(&format!("/metadata/{key}")) {
            metadata[key] = value.clone();
        }
    }
    let number = |path: &str| at(object, path).and_then(Value::as_i64);
    let mut spec = json!({});
    if let Some(replicas) = number(&paths.spec_replicas) {
        spec["replicas"] = json!(replicas);
    }
    let mut status = json!({ "replicas": number(&paths.status_replicas).unwrap_or(0) });
    let selector = match &paths.label_selector {
        Some(path) => at(object, path).and_then(Value::as_str).map(str::to_owned),
        None => object.at("/spec/selector").map(|it| LabelSelector::from_object(it).to_string()),
    };
    if let Some(selector) = selector.filter(|it| !it.is_empty()) {
        status["selector"] = json!(selector);
    }
    json!({ "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status })
}

/// Takes the replicas over from a Scale; the answer is the new Scale.
pub(super) fn update(state: &mut State, write: &Write<'_>, scale: &Value) -> Result<Arc<Object>, Status> {
    let (kind, target) = (write.kind, write.target);
    let stored = state.store.get(&kind.key, target.namespace, target.name).cloned();
    let stored = stored.ok_or_else(|| kind.not_found(target.name))?;
    let current = stored.value();
    let Some(paths) = &kind.storage().scale else { return Err(Status::no_such_resource()) };
    let replicas = scale.at("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
    if !replicas.is_i64() {
        let found = crate::apiserver::schema::type_name(&replicas);
        let message = format!(
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {found} into Go struct field \
             ScaleSpec.spec.replicas of type int32"
        );
        return Err(Status::bad_request(message));
    }
    if replicas.as_i64().is_none_or(|it| it < 0) {
        let error = FieldError::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
        return Err(Status::invalid("Scale", "autoscaling", target.name, vec![error]));
    }
    let version = meta::text(scale, "resourceVersion");
    if !version.is_empty() && version != meta::text(&current, "resourceVersion") {
        return Err(Status::modified(&kind.plural, &kind.group, target.name));
    }
    let mut object = (*current).clone();
    put(&mut object, &paths.spec_replicas, replicas);
    let stored = update::replace(state, write, &stored, object, Ownership::Update)?;
    Ok(view(kind, Subresource::Scale, &stored))
}

fn put(object: &mut Value, path: &str, value: Value) {
    let keys: Vec<_> = path.split('.').filter(|it| !it.is_empty()).collect();
    let Some((last, parents)) = keys.split_last() else { return };
    let mut place = object;
    for key in parents {
        let Some(map) = place.as_object_mut() else { return };
        place = map.entry((*key).to_owned()).or_insert_with(|| json!({}));
    }
    if let Some(map) = place.as_object_mut() {
        map.insert((*last).to_owned(), value);
    }
}
