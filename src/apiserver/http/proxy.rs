//! The `proxy` subresource of pods and services: any request, carried to a name inside the lab.

use super::answer::Answer;
use super::path::At;
use super::{Call, body};
use crate::apiserver::kinds::resource;
use crate::apiserver::server::Server;
use crate::apiserver::status::{Reason, Status};
use crate::sys::http::HttpError;
use axum::body::Body;
use http::Method;
use http::header::{HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use serde_json::Value;
use std::time::Duration;

/// What the real server carries; it refuses the rest.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn forward(server: &Server, at: &At, call: Call, query: Option<&str>) -> Result<Answer, Status> {
    let namespace = at.namespace.as_deref().unwrap_or_default();
    let named = at.name.as_deref().unwrap_or_default();
    if !METHODS.contains(&call.method) {
        return Err(Status::method_forbidden());
    }
    if call.headers.contains_key(UPGRADE) {
        return Err(Status::bad_request("unable to upgrade: behind this proxy nobody speaks anything but HTTP"));
    }
    let host = match (at.group.as_str(), at.plural.as_str()) {
        ("", "pods") => pod(server, namespace, named)?,
        ("", "services") => service(server, namespace, named)?,
        _ => return Err(Status::no_such_resource()),
    };
    let sender = server.proxy().ok_or_else(|| unreachable("no route to pods from this server"))?;
    let query = query.map(|it| format!("?{it}")).unwrap_or_default();
    let uri = format!("http://{host}/{}{query}", at.rest);
    let bytes = body::read(call.body).await?;
    let mut request = http::Request::new(bytes);
    *request.method_mut() = call.method;
    *request.uri_mut() = uri.parse().map_err(|it| Status::bad_request(format!("{it}")))?;
    *request.headers_mut() = call.headers;
    for name in [HOST, TRANSFER_ENCODING, HeaderName::from_static("authorization")] {
        request.headers_mut().remove(name);
    }
    let answer = sender.send(request, PATIENCE).await.map_err(|it| match it {
        HttpError::Refused { .. } if at.plural == "services" => {
            unreachable(&format!("no endpoints available for service {named:?}"))
        }
        it => failed(&it),
    })?;
    let (mut parts, bytes) = answer.into_parts();
    parts.headers.remove(TRANSFER_ENCODING);
    Ok(Answer::Raw(http::Response::from_parts(parts, Body::from(bytes))))
}

fn unreachable(why: &str) -> Status {
    Status::new(503, Reason::ServiceUnavailable, why)
}

fn failed(error: &HttpError) -> Status {
    match error {
        HttpError::Timeout => Status::new(504, Reason::Timeout, format!("error trying to reach service: {error}")),
        HttpError::NoSuchHost { .. } | HttpError::Refused { .. } => {
            unreachable(&format!("error trying to reach service: {error}"))
        }
        HttpError::Closed | HttpError::Other(_) => {
            Status::new(502, Reason::Unknown, format!("error trying to reach service: {error}"))
        }
    }
}

/// `name`, `name:port`, `http:name:port`: the name and the port. `what` is it: a pod or a service.
fn split<'a>(what: &str, named: &'a str) -> Result<(&'a str, &'a str), Status> {
    let parts: Vec<_> = named.split(':').collect();
    match parts.as_slice() {
        [name] => Ok((name, "")),
        ["http" | "", name, port] | [name, port] => Ok((name, port)),
        _ => Err(Status::bad_request(format!("invalid {what} request {named:?}"))),
    }
}

/// `name.namespace.pod:port`; the first port of the first container if none is named.
fn pod(server: &Server, namespace: &str, named: &str) -> Result<String, Status> {
    let (name, port) = split("pod", named)?;
    let pod = server.api().get(resource::PODS, namespace, name)?;
    if pod.pointer("/status/podIP").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Status::bad_request("address not allowed"));
    }
    let ports: Vec<&Value> = pod
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| it.get("ports").and_then(Value::as_array))
        .flatten()
        .collect();
    let number = |it: &&Value| it.get("containerPort").and_then(Value::as_u64);
    let port = match port {
        "" => ports.first().and_then(number).unwrap_or(80),
        text => match text.parse() {
            Ok(port) => port,
            Err(_) => ports
                .iter()
                .find(|it| it.get("name").and_then(Value::as_str) == Some(text))
                .and_then(number)
                .ok_or_else(|| unreachable(&format!("no port {text:?} in pod {name:?}")))?,
        },
    };
    Ok(format!("{name}.{namespace}.pod:{port}"))
}

/// `name.namespace:port`; the only port if none is named.
fn service(server: &Server, namespace: &str, named: &str) -> Result<String, Status> {
    let (name, port) = split("service", named)?;
    let service = server.api().get(resource::SERVICES, namespace, name)?;
    let ports: Vec<&Value> = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten().collect();
    let number = |it: &&Value| it.get("port").and_then(Value::as_u64);
    let found = match (port, ports.as_slice()) {
        ("", [only]) => Some(*only),
        ("", _) => ports.iter().copied().find(|it| it.get("name").is_none_or(|it| it.as_str() == Some(""))),
        (text, _) => ports.iter().copied().find(|it| {
            it.get("name").and_then(Value::as_str) == Some(text) || number(it).is_some_and(|it| it.to_string() == text)
        }),
    };
    let found = found.as_ref().and_then(number);
    let port = found.ok_or_else(|| {
        let is_name = port.parse::<u16>().is_err();
        // A name is looked for among the endpoints, a number among the Service's ports.
        unreachable(&if is_name {
            format!("no endpoints available for service {named:?}")
        } else {
            format!("no service port {port} found for service {name:?}")
        })
    })?;
    Ok(format!("{name}.{namespace}:{port}"))
}
