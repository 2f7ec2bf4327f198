//! The parts of a pod that lead into its containers: `log`, `exec`, `attach`, `portforward`. What is on the other side is
//! the [`NodeAgent`]'s; here are addresses, options and protocols.
//!
//! `exec` and `attach` speak WebSocket (`v5.channel.k8s.io` and `v4.channel.k8s.io`) and SPDY/3.1; `portforward` speaks what kube-rs
//! does (`v4.channel.k8s.io`, two channels for each port) and what kubectl does (SPDY/3.1 inside a WebSocket, or bare).

mod channels;
mod exec;
mod forward;
mod log;
mod ports;
mod spdy;
mod streams;
mod tunnel;
mod upgrade;

use super::Call;
use super::answer::Answer;
use super::path::At;
use crate::apiserver::kinds::resource;
use crate::apiserver::node::{ContainerAt, SharedNodeAgent};
use crate::apiserver::server::Server;
use crate::apiserver::status::{Reason, Status};
use http::Method;
use serde_json::Value;
use std::sync::Arc;

/// Whether a part of pods is served here.
pub fn is_here(at: &At) -> bool {
    let part = at.subresource.as_deref().unwrap_or_default();
    at.group.is_empty() && at.plural == "pods" && matches!(part, "log" | "exec" | "attach" | "portforward")
}

/// Answers a request that [`is_here`].
pub fn call(server: &Server, at: &At, call: Call, query: Option<&str>) -> Result<Answer, Status> {
    let (Some(namespace), Some(name)) = (&at.namespace, &at.name) else { return Err(Status::no_such_resource()) };
    let part = at.subresource.as_deref().unwrap_or_default();
    let method_fits = match part {
        "log" => call.method == Method::GET,
        _ => matches!(call.method, Method::GET | Method::POST),
    };
    if !method_fits {
        return Err(Status::method_forbidden());
    }
    let options = (part == "log").then(|| log::options(server, &call, name)).transpose()?;
    let pod = server.api().get(resource::PODS, namespace, name)?;
    if part == "portforward" {
        check_host(&pod, name)?;
        return forward::start(server, (namespace, name), call, query);
    }
    let at = ContainerAt {
        namespace: namespace.clone(),
        pod: name.clone(),
        container: container(&pod, name, call.asks("container"))?,
    };
    if let Some(options) = options {
        // A pod that no node has yet has no log, which is not an error.
        let assigned = check_host(&pod, name).is_ok();
        return Ok(Answer::Raw(if assigned { log::answer(&agent(server)?, &at, &options)? } else { log::nothing() }));
    }
    check_host(&pod, name)?;
    exec::start(server, at, part == "attach", call, query)
}

fn agent(server: &Server) -> Result<SharedNodeAgent, Status> {
    server.node_agent().ok_or_else(|| Status::internal("no node agent is connected to this server"))
}

fn check_host(pod: &Arc<Value>, name: &str) -> Result<(), Status> {
    let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
    if node.is_empty() { Err(Status::bad_request(format!("pod {name} does not have a host assigned"))) } else { Ok(()) }
}

/// The container that is named, or the only one.
fn container(pod: &Value, name: &str, named: &str) -> Result<String, Status> {
    let names = |key: &str| {
        let list = pod.pointer(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|it| it["name"].as_str()).collect::<Vec<_>>()
    };
    let main = names("/spec/containers");
    let all = [names("/spec/initContainers"), main.clone(), names("/spec/ephemeralContainers")].concat();
    match (named, main.as_slice()) {
        ("", [only]) => Ok((*only).to_owned()),
        ("", _) => {
            let choice = all.join(" ");
            let message = format!("a container name must be specified for pod {name}, choose one of: [{choice}]");
            Err(Status::bad_request(message))
        }
        _ if all.contains(&named) => Ok(named.to_owned()),
        _ => Err(Status::bad_request(format!("container {named} is not valid for pod {name}"))),
    }
}

/// The values of a key that may stand more than once.
fn values(query: Option<&str>, key: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(|(name, _)| name == key).map(|(_, value)| value.into_owned()).collect()
}

/// Truth as Kubernetes reads it in a query: everything but `false` and `0`.
fn flag(call: &Call, key: &str) -> bool {
    call.query.get(key).is_some_and(|it| !matches!(it.as_str(), "false" | "0"))
}

fn not_upgraded() -> Status {
    Status::new(400, Reason::BadRequest, "Upgrade request required")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_is_the_named_one_or_the_only_one() {
        let one = json!({ "spec": { "initContainers": [{ "name": "in" }], "containers": [{ "name": "c" }] } });
        let two = json!({ "spec": { "initContainers": [{ "name": "in" }], "containers": [{ "name": "c" }, { "name": "d" }] } });
        let choose = "a container name must be specified for pod p, choose one of: [in c d]";
        for (pod, named, expected) in [
            (&one, "", Ok("c")),
            (&one, "in", Ok("in")),
            (&one, "x", Err("container x is not valid for pod p")),
            (&two, "d", Ok("d")),
            (&two, "", Err(choose)),
        ] {
            let found = container(pod, "p", named).map_err(|it| it.message);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{named}");
        }
    }

    #[test]
    fn a_key_may_stand_more_than_once() {
        assert_eq!(values(Some("command=sh&x=1&command=-c&command=a%20b"), "command"), ["sh", "-c", "a b"]);
        assert!(values(None, "command").is_empty());
    }
}
