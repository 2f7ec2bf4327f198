//! Resources that are asked and not kept: reviews of access, metrics, and what is done to a pod by posting to it.

mod actions;
mod metrics;
mod reviews;
mod table;
mod token;

pub use table::{PARTS, Resource, served};

use super::answer::Answer;
use super::path::At;
use super::{Call, body};
use crate::apiserver::server::Server;
use crate::apiserver::status::Status;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Whether an address is of a resource that is not kept.
pub fn is_here(server: &Server, at: &At) -> bool {
    served(server).any(|it| it.group == at.group && it.version == at.version && it.plural == at.plural)
        || at.group.is_empty()
            && matches!(
                (at.plural.as_str(), at.subresource.as_deref()),
                ("pods", Some("eviction" | "binding")) | ("serviceaccounts", Some("token"))
            )
}

/// Answers a request for an address that [`is_here`].
pub async fn call(server: &Server, at: &At, call: Call) -> Result<Answer, Status> {
    if at.group == metrics::GROUP {
        return metrics::call(server, at, &call);
    }
    let action = at.subresource.as_deref().unwrap_or(&at.plural);
    let namespaced = matches!(action, "localsubjectaccessreviews" | "eviction" | "binding" | "bindings" | "token");
    let of_object = at.subresource.is_some();
    if namespaced != at.namespace.is_some() || of_object != at.name.is_some() {
        return Err(Status::no_such_resource());
    }
    if call.method != Method::POST {
        return Err(Status::method_forbidden());
    }
    let user = reviews::user(&call);
    let dry_run = call.asks("dryRun") == "All";
    let media = body::media_type(&call);
    let bytes = body::read(call.body).await?;
    let kind =
        served(server).find(|it| it.plural == at.plural && it.group == at.group).map_or("Eviction", |it| it.kind);
    let (object, _) = body::object(&bytes, &media, kind)?;
    let namespace = at.namespace.as_deref().unwrap_or_default();
    let value = match action {
        "eviction" => actions::evict(server, (namespace, at.name.as_deref().unwrap_or_default()), &object, dry_run)?,
        "binding" => actions::bind(server, (namespace, at.name.as_deref()), &object, dry_run)?,
        "token" => token::answer(server, at, &object)?,
        "bindings" => actions::bind(server, (namespace, None), &object, dry_run)?,
        _ => reviews::answer(server, at, (&user, kind), object)?,
    };
    Ok(Answer::value(StatusCode::CREATED, &value))
}

/// What an action that was done is answered with.
fn done() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}
