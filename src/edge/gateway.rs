//! What a Gateway controller writes back: that Gateways are programmed and HTTPRoutes accepted.
//!
//! Flagger reads routes only once every parent reports `Accepted=True` for the route's generation, so without this a
//! `gatewayapi:v1` Canary would wait for ever.

use crate::cluster::{Client, Watched};
use crate::model::object::ObjectRef;
use crate::sys::clock::{Clock, rfc3339};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const API_VERSION: &str = "gateway.networking.k8s.io/v1";
const CONTROLLER: &str = "coalmine/router";

/// Gateways by namespace and name.
type Gateways = BTreeSet<(String, String)>;

/// Answers Gateways and HTTPRoutes until it is aborted.
pub(crate) async fn answer(cluster: Client, clock: Clock) {
    let mut gateways = cluster.watch(API_VERSION, "Gateway", None, None);
    let mut routes = cluster.watch(API_VERSION, "HTTPRoute", None, None);
    let mut known = Gateways::new();
    let mut waiting: Vec<Value> = Vec::new();
    loop {
        let changed = tokio::select! {
            biased;
            Some(change) = gateways.next() => {
                for gateway in applied(change) {
                    known.insert(key_of(&gateway));
                    write(&cluster, &gateway, programmed(&gateway, clock)).await;
                }
                std::mem::take(&mut waiting)
            }
            Some(change) = routes.next() => applied(change),
            else => return,
        };
        for route in changed {
            match accepted(&route, &known, clock) {
                Answer::Write(status) => write(&cluster, &route, status).await,
                Answer::Nothing => {}
                Answer::Wait => waiting.push(route),
            }
        }
    }
}

fn applied(change: Watched) -> Vec<Value> {
    match change {
        Watched::Applied(object) => vec![object],
        Watched::Restarted(objects) => objects,
        Watched::Deleted(_) => Vec::new(),
    }
}

fn key_of(object: &Value) -> (String, String) {
    let it = ObjectRef::of(object);
    (it.namespace, it.name)
}

enum Answer {
    Write(Value),
    /// It is answered already.
    Nothing,
    /// A Gateway that it names is not there yet.
    Wait,
}

fn accepted(route: &Value, gateways: &Gateways, clock: Clock) -> Answer {
    let generation = &route["metadata"]["generation"];
    let no_refs = Vec::new();
    let refs = route["spec"]["parentRefs"].as_array().unwrap_or(&no_refs);
    let home = route["metadata"]["namespace"].as_str().unwrap_or_default();
    let exists = |it: &Value| {
        let namespace = it["namespace"].as_str().unwrap_or(home).to_owned();
        gateways.contains(&(namespace, it["name"].as_str().unwrap_or_default().to_owned()))
    };
    if !refs.iter().all(exists) {
        return Answer::Wait;
    }
    let parents: Vec<Value> = refs.iter().map(|it| parent(it, generation, clock)).collect();
    let observed = |it: &Value| it["conditions"][0]["observedGeneration"] == *generation;
    let before = route["status"]["parents"].as_array();
    if before.is_some_and(|it| it.len() == parents.len() && it.iter().all(observed)) {
        return Answer::Nothing;
    }
    Answer::Write(json!({ "parents": parents }))
}

fn parent(parent_ref: &Value, generation: &Value, clock: Clock) -> Value {
    json!({
        "parentRef": parent_ref,
        "controllerName": CONTROLLER,
        "conditions": [
            condition("Accepted", "Accepted", "The route is accepted", generation, clock),
            condition("ResolvedRefs", "ResolvedRefs", "All references are resolved", generation, clock),
        ],
    })
}

fn programmed(gateway: &Value, clock: Clock) -> Value {
    let generation = &gateway["metadata"]["generation"];
    json!({"conditions": [
        condition("Accepted", "Accepted", "The Gateway is accepted", generation, clock),
        condition("Programmed", "Programmed", "The Gateway is programmed", generation, clock),
    ]})
}

fn condition(kind: &str, reason: &str, message: &str, generation: &Value, clock: Clock) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": message, "observedGeneration": generation,
        "lastTransitionTime": rfc3339(clock.now())})
}

/// Writes the status if it says anything new. A failed write is tried again with the object's next change.
async fn write(cluster: &Client, object: &Value, status: Value) {
    let first = |it: &Value| it["conditions"][0]["observedGeneration"].clone();
    if !status["conditions"].is_null() && first(&object["status"]) == first(&status) {
        return;
    }
    let _ = cluster.merge_patch(&ObjectRef::of(object), Some("status"), &json!({ "status": status })).await;
}
