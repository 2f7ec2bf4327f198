//! `serviceaccounts/token`: a token for a service account, for as long as is asked.

use crate::apiserver::http::path::At;
use crate::apiserver::kinds::resource;
use crate::apiserver::meta;
use crate::apiserver::server::Server;
use crate::apiserver::status::{FieldError, Status};
use crate::apiserver::token::{Claims, ISSUER};
use crate::sys::clock::rfc3339;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// How long a token lasts that does not say so, and how long at least and at most, in seconds.
const USUAL: i64 = 3600;
const LEAST: i64 = 600;
const MOST: i64 = 1 << 32;

pub(super) fn answer(server: &Server, at: &At, asked: &Value) -> Result<Value, Status> {
    let (namespace, name) = (at.namespace.as_deref().unwrap_or_default(), at.name.as_deref().unwrap_or_default());
    let account = server.api().get(resource::SERVICE_ACCOUNTS, namespace, name)?;
    let invalid =
        |named: &str, error| Err(Status::invalid("TokenRequest", "authentication.k8s.io", named, vec![error]));
    let given = meta::text(asked, "name");
    if !given.is_empty() && given != name {
        let why = "must match the service account name if specified";
        return invalid(name, FieldError::invalid("metadata.name", &json!(given), why));
    }
    let seconds = asked.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(USUAL);
    let field = "spec.expirationSeconds";
    if seconds < LEAST {
        let why = "may not specify a duration less than 10 minutes";
        return invalid("", FieldError::invalid(field, &json!(seconds), why));
    }
    if seconds > MOST {
        let why = "may not specify a duration larger than 2^32 seconds";
        return invalid("", FieldError::invalid(field, &json!(seconds), why));
    }
    let listed = asked.pointer("/spec/audiences").and_then(Value::as_array).into_iter().flatten();
    let mut audiences: Vec<String> = listed.filter_map(|it| it.as_str().map(str::to_owned)).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let now = server.now();
    let until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX);
    let (uid, id) = (meta::text(&account, "uid"), server.new_uid());
    let token = server.token_key(None).token(&Claims {
        namespace,
        account: name,
        uid,
        audiences: &audiences,
        issued: now.as_second(),
        expires: until.as_second(),
        id: &id,
    });
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": { "name": name, "namespace": namespace, "uid": uid, "creationTimestamp": rfc3339(now) },
        "spec": { "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null },
        "status": { "token": token, "expirationTimestamp": rfc3339(until) }
    }))
}
