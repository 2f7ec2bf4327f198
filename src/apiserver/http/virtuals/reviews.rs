//! Reviews: who one is, and what one may do. Nothing of them is kept.

use crate::apiserver::access::{Asked, User, owner_of};
use crate::apiserver::http::Call;
use crate::apiserver::http::path::At;
use crate::apiserver::rbac;
use crate::apiserver::server::Server;
use crate::apiserver::status::{FieldError, Status};
use crate::apiserver::token::ISSUER;
use crate::sys::clock::rfc3339;
use serde_json::{Map, Value, json};

const AUTHORIZATION: &str = "authorization.k8s.io";

/// Who asks. Whoever has come this far without a name is the lab's own.
pub(super) fn user(call: &Call) -> User {
    call.user.clone().unwrap_or_else(User::admin)
}

pub(super) fn answer(
    server: &Server,
    at: &At,
    (user, kind): (&User, &str),
    mut object: Value,
) -> Result<Value, Status> {
    let Some(root) = object.as_object_mut() else {
        return Err(Status::bad_request(format!("the object provided is unrecognized (must be of type {kind})")));
    };
    let metadata = root.shift_remove("metadata").filter(Value::is_object).unwrap_or_else(|| json!({}));
    let spec = root.shift_remove("spec").filter(Value::is_object).unwrap_or_else(|| json!({}));
    let mut review = json!({ "kind": kind, "apiVersion": format!("{}/{}", at.group, at.version), "metadata": {} });
    if kind == "SelfSubjectReview" {
        review["metadata"] = json!({ "creationTimestamp": rfc3339(server.now()) });
        review["status"] = json!({ "userInfo": { "username": user.name, "groups": user.groups } });
        return Ok(review);
    }
    if kind == "TokenReview" {
        let token = text(&spec, "token");
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        review["status"] = token_status(owner_of(server, token), &spec);
        review["spec"] = spec;
        return Ok(review);
    }
    if kind == "SelfSubjectRulesReview" {
        let namespace = text(&spec, "namespace");
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let (objects, paths) = rbac::rules(&server.api(), user, namespace);
        review["spec"] = json!({});
        review["status"] = json!({ "resourceRules": objects, "nonResourceRules": paths, "incomplete": false });
        return Ok(review);
    }
    let home = at.namespace.as_deref();
    if let Some(home) = home {
        review["metadata"] = json!({ "namespace": home });
    }
    let errors = check(kind, &metadata, &spec, home);
    if !errors.is_empty() {
        return Err(Status::invalid("", AUTHORIZATION, "", errors));
    }
    let whom = if kind == "SelfSubjectAccessReview" { user.clone() } else { subject(&spec) };
    review["status"] = match rbac::allowed(&server.api(), &whom, &action(&spec)) {
        None => json!({ "allowed": false }),
        Some(reason) if reason.is_empty() => json!({ "allowed": true }),
        Some(reason) => json!({ "allowed": true, "reason": reason }),
    };
    review["spec"] = spec;
    Ok(review)
}

/// Whose a token is, if it is meant for one of those who ask; who names nobody asks for this server.
fn token_status(owner: Option<(User, Vec<String>)>, spec: &Value) -> Value {
    let asked = spec.get("audiences").and_then(Value::as_array).filter(|it| !it.is_empty());
    let asked = asked.cloned().unwrap_or_else(|| vec![json!(ISSUER)]);
    let meant =
        |audiences: &[String]| asked.iter().filter(|it| audiences.iter().any(|one| *it == one)).cloned().collect();
    match owner.map(|(user, audiences)| (user, meant(&audiences))) {
        Some((User { name, groups }, audiences)) if !Vec::<Value>::is_empty(&audiences) => json!({
            "authenticated": true, "user": { "username": name, "groups": groups }, "audiences": audiences
        }),
        _ => json!({ "user": {}, "error": "invalid bearer token" }),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn subject(spec: &Value) -> User {
    let groups = spec.get("groups").and_then(Value::as_array).into_iter().flatten();
    let groups = groups.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    User { name: text(spec, "user").to_owned(), groups }
}

fn action(spec: &Value) -> Asked {
    if let Some(asked) = spec.get("nonResourceAttributes").filter(|it| !it.is_null()) {
        return Asked::Path { verb: text(asked, "verb").to_owned(), path: text(asked, "path").to_owned() };
    }
    let asked = |key: &str| spec.get("resourceAttributes").map(|it| text(it, key)).unwrap_or_default().to_owned();
    Asked::Resource {
        verb: asked("verb"),
        group: asked("group"),
        resource: asked("resource"),
        subresource: asked("subresource"),
        namespace: asked("namespace"),
        name: asked("name"),
    }
}

/// Go writes the attributes of a path with these names.
fn shown(attributes: &Value) -> Value {
    let mut shown = Map::new();
    shown.insert("Path".to_owned(), json!(text(attributes, "path")));
    shown.insert("Verb".to_owned(), json!(text(attributes, "verb")));
    Value::Object(shown)
}

fn check(kind: &str, metadata: &Value, spec: &Value, home: Option<&str>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let given = |key: &str| spec.get(key).filter(|it| !it.is_null());
    let path = given("nonResourceAttributes");
    match (given("resourceAttributes"), path) {
        (Some(_), Some(path)) => {
            let why = "cannot be specified in combination with resourceAttributes";
            errors.push(FieldError::invalid("spec.nonResourceAttributes", &shown(path), why));
        }
        (None, None) => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(FieldError::invalid("spec.resourceAttributes", &Value::Null, why));
        }
        _ => {}
    }
    let nobody =
        text(spec, "user").is_empty() && spec.get("groups").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if kind != "SelfSubjectAccessReview" && nobody {
        errors.push(FieldError::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    let mut rest = metadata.clone();
    if let Some(map) = rest.as_object_mut() {
        map.retain(|key, value| !(value.is_null() || home.is_some() && key == "namespace"));
    }
    if rest != json!({}) {
        errors.push(FieldError::invalid("metadata", &rest, "must be empty"));
    }
    if let Some(home) = home {
        let asked = given("resourceAttributes").map(|it| text(it, "namespace"));
        if let Some(asked) = asked.filter(|it| *it != home) {
            let why = "must match metadata.namespace";
            errors.push(FieldError::invalid("spec.resourceAttributes.namespace", &json!(asked), why));
        }
        if let Some(path) = path {
            let why = "disallowed on this kind of request";
            errors.push(FieldError::invalid("spec.nonResourceAttributes", &shown(path), why));
        }
    }
    errors
}
