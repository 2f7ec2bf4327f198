//! One body, two arms: writes with faults in their text, parts of pods without a node, reviews. The real server needs no
//! kubelet for any of it.

use super::arms::{Answer, Ask, Real, ask_ours, get, ours, post};
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

fn patch(path: impl Into<String>, media: &'static str, body: &str) -> Ask {
    Ask { method: "PATCH", path: path.into(), media, body: body.to_owned() }
}

/// Writes whose text has fields that are unknown or stand twice, each strictly and leniently.
fn strict() -> Vec<Ask> {
    let text = |method, path: String, media, body: &str| Ask { method, path, media, body: body.to_owned() };
    let deployment = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":1,"replicas":2,"foo":1,
        "selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
        "spec":{"containers":[{"name":"c","image":"i","imagee":"x","ports":[{"containerPort":80,"por":1}]}]}}}}"#;
    let map = r#"{"metadata":{"name":"a","name":"b","foo":1,"labels":{"x":"1","x":"2"}},"data":{"k":"v","k":"w"},"bar":[{"a":1,"a":2}]}"#;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, foo: 1}\ndata:\n  k: v\n  k: w\n";
    let mut asks = Vec::new();
    for mode in ["Strict", "Warn", "Ignore", "Bad"] {
        let query = format!("fieldValidation={mode}&dryRun=All");
        asks.push(text("POST", format!("{CONFIG_MAPS}?{query}"), "application/json", map));
        asks.push(text("POST", format!("{CONFIG_MAPS}?{query}"), "application/yaml", yaml));
        asks.push(text("POST", format!("{DEPLOYMENTS}?{query}"), "application/json", deployment));
    }
    asks.push(text("POST", DEPLOYMENTS.to_owned(), "application/json", deployment));
    for mode in ["Strict", "Warn"] {
        let one = format!("{DEPLOYMENTS}/d?fieldValidation={mode}&dryRun=All");
        asks.push(text("PUT", one.clone(), "application/json", deployment));
        for media in [MERGE, STRATEGIC] {
            asks.push(patch(one.clone(), media, r#"{"spec":{"foo":1,"replicas":3}}"#));
            asks.push(patch(one.clone(), media, r#"{"spec":{"replicas":3,"replicas":4}}"#));
        }
        asks.push(patch(one.clone(), JSON_PATCH, r#"[{"op":"add","path":"/spec/foo","value":1}]"#));
        asks.push(patch(one.clone(), JSON_PATCH, r#"[{"op":"add","path":"/spec/replicas","value":1,"value":2}]"#));
        asks.push(patch(one.clone(), JSON_PATCH, r#"[{"op":"add","path":"/spec/replicas","value":1,"foo":2}]"#));
        let applied = one + "&fieldManager=x&force=true";
        for spec in [
            r#""foo":1"#,
            r#""replicas":1,"replicas":3"#,
            r#""replicas":"two""#,
            r#""paused":"two""#,
            r#""strategy":"two""#,
            r#""template":{"spec":{"containers":{"a":1}}}"#,
            r#""template":{"spec":{"containers":["a"]}}"#,
            r#""template":{"spec":{"containers":[{"name":"a"},{"name":"a"}]}}"#,
            // One fault each: of several the real server tells in the random order of Go's maps.
            r#""template":{"spec":{"containers":[{"name":"c","ports":[{"containerPort":80,"x":1}]}]}}"#,
            r#""template":{"spec":{"containers":[{"name":"c","command":[1]}]}}"#,
        ] {
            let body = format!(
                r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d"}},"spec":{{{spec}}}}}"#
            );
            asks.push(patch(applied.clone(), APPLY, &body));
        }
    }
    asks
}

/// Parts of pods that no node runs, and what is done to them.
fn parts() -> Vec<Ask> {
    let one = json!({ "metadata": { "name": "one" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let two = json!({ "metadata": { "name": "two" }, "spec": {
        "initContainers": [{ "name": "in", "image": "i" }],
        "containers": [{ "name": "c", "image": "i" }, { "name": "d", "image": "i" }]
    } });
    let mut asks = vec![post(PODS, &one), post(PODS, &two)];
    for rest in [
        "one/log",
        "one/log?container=x",
        "two/log",
        "none/log",
        "one/log?tailLines=-1",
        "one/log?tailLines=x",
        "one/log?sinceSeconds=0",
        "one/log?limitBytes=0",
        "one/log?sinceSeconds=1&sinceTime=2024-01-01T00:00:00Z",
        "one/log?sinceTime=bad",
        "one/log?follow=x",
        "one/exec",
        "one/exec?command=ls&stdout=true",
        "two/exec?command=ls&stdout=true",
        "one/exec?command=ls&container=x",
        "one/attach?stdout=true",
        "one/portforward",
        "none/portforward?ports=80",
        "one/eviction",
        "one/binding",
        "one/foo",
    ] {
        asks.push(get(format!("{PODS}/{rest}")));
    }
    for (method, rest) in
        [("POST", "one/log"), ("DELETE", "one/log"), ("PUT", "one/exec"), ("POST", "one/portforward?ports=80")]
    {
        asks.push(Ask { method, ..get(format!("{PODS}/{rest}")) });
    }
    let eviction = |name: &str| json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
    let binding = |name: &str, target: Value| json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name }, "target": target });
    let bind = |of: &str, name: &str, target: Value| post(format!("{PODS}/{of}/binding"), &binding(name, target));
    asks.extend([
        post(format!("{PODS}/one/eviction"), &eviction("other")),
        post(format!("{PODS}/none/eviction"), &eviction("none")),
        post(format!("{PODS}/one/eviction?dryRun=All"), &eviction("one")),
        get(format!("{PODS}/one")),
        post(format!("{PODS}/one/eviction"), &eviction("one")),
        get(format!("{PODS}/one")),
        bind("two", "two", json!({ "kind": "Pod", "name": "n" })),
        bind("two", "two", json!({ "name": "" })),
        bind("two", "other", json!({ "name": "n" })),
        bind("none", "none", json!({ "name": "n" })),
        bind("two", "two", json!({ "kind": "Node", "name": "n" })),
        bind("two", "two", json!({ "kind": "Node", "name": "m" })),
        post("/api/v1/namespaces/default/bindings", &binding("two", json!({ "name": "m" }))),
    ]);
    asks
}

/// Tokens of service accounts, as far as they are refused.
fn tokens() -> Vec<Ask> {
    const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
    let ask = |of: &str, body: Value| post(format!("{ACCOUNTS}/{of}/token"), &body);
    vec![
        post(ACCOUNTS, &json!({ "metadata": { "name": "robot" } })),
        ask("robot", json!({ "spec": { "expirationSeconds": 5 } })),
        ask("robot", json!({ "spec": { "expirationSeconds": 5_000_000_000_i64 } })),
        ask("robot", json!({ "metadata": { "name": "no" }, "spec": {} })),
        ask("none", json!({ "spec": {} })),
        get(format!("{ACCOUNTS}/robot/token")),
        ask("robot", json!({ "spec": {} })),
    ]
}

/// Requests to a pod and a Service that cannot be carried there.
fn proxied() -> Vec<Ask> {
    const SERVICES: &str = "/api/v1/namespaces/default/services";
    let pod = json!({ "metadata": { "name": "pp" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let ports = json!([{ "port": 80, "name": "web" }, { "port": 81, "name": "x" }]);
    let service = json!({ "metadata": { "name": "ss" }, "spec": { "ports": ports } });
    let mut asks = vec![post(PODS, &pod), post(SERVICES, &service)];
    for rest in ["pp/proxy/", "pp:80/proxy", "http:pp:80/proxy/", "ftp:pp:80/proxy/", "a:b:c:d/proxy/", "none/proxy/"] {
        asks.push(get(format!("{PODS}/{rest}")));
    }
    for rest in ["ss:99/proxy/", "none/proxy/", "ftp:ss:80/proxy/"] {
        asks.push(get(format!("{SERVICES}/{rest}")));
    }
    asks.push(Ask { method: "TRACE", ..get(format!("{SERVICES}/ss:80/proxy/")) });
    asks
}

fn reviews() -> Vec<Ask> {
    const ACCESS: &str = "/apis/authorization.k8s.io/v1";
    let own = |spec: Value| post(format!("{ACCESS}/selfsubjectaccessreviews"), &json!({ "spec": spec }));
    let others = |spec: Value| post(format!("{ACCESS}/subjectaccessreviews"), &json!({ "spec": spec }));
    let local =
        |spec: Value| post(format!("{ACCESS}/namespaces/default/localsubjectaccessreviews"), &json!({ "spec": spec }));
    let pods = json!({ "namespace": "default", "verb": "get", "resource": "pods" });
    let path = json!({ "path": "/version", "verb": "get" });
    vec![
        own(json!({ "resourceAttributes": pods })),
        own(json!({ "nonResourceAttributes": path })),
        own(json!({})),
        own(json!({ "resourceAttributes": pods, "nonResourceAttributes": path })),
        others(json!({ "user": "root", "groups": ["system:masters"], "resourceAttributes": pods })),
        others(json!({ "resourceAttributes": pods })),
        others(json!({ "user": "bob" })),
        local(
            json!({ "user": "bob", "resourceAttributes": { "namespace": "other", "verb": "get", "resource": "pods" } }),
        ),
        local(json!({ "user": "bob", "nonResourceAttributes": path })),
        post(format!("{ACCESS}/selfsubjectrulesreviews"), &json!({ "spec": {} })),
        get(format!("{ACCESS}/selfsubjectaccessreviews")),
        get(format!("{ACCESS}/selfsubjectaccessreviews/x")),
        post(format!("{ACCESS}/localsubjectaccessreviews"), &json!({})),
        get("/apis/authentication.k8s.io/v1/selfsubjectreviews"),
        post("/apis/authentication.k8s.io/v1/tokenreviews", &json!({ "spec": {} })),
        post("/apis/authentication.k8s.io/v1/tokenreviews", &json!({ "spec": { "token": "bad" } })),
    ]
}

/// Without what must differ, and without the object that a refused patch shows.
fn normal(mut answer: Answer) -> Answer {
    let refused = answer.body["kind"] == "Status" && answer.body["status"] == "Failure";
    if !refused {
        if answer.body["kind"] == "Status" || answer.body["kind"].as_str().is_some_and(|it| it.ends_with("Review")) {
            // The real server tells who wrote even what it does not keep.
            answer.body["metadata"].as_object_mut().map(|it| it.shift_remove("managedFields"));
            return answer;
        }
        // Objects are compared elsewhere; here it counts that there is one.
        answer.body = answer.body.get("kind").cloned().unwrap_or_default();
        return answer;
    }
    let shown = regex::Regex::new(r#"Invalid value: "\{.*\}": strict"#).unwrap();
    let plain =
        |it: &mut Value| *it = json!(shown.replace(it.as_str().unwrap_or_default(), "Invalid value: …: strict"));
    plain(&mut answer.body["message"]);
    for cause in answer.body.pointer_mut("/details/causes").and_then(Value::as_array_mut).into_iter().flatten() {
        plain(&mut cause["message"]);
    }
    answer
}

#[tokio::test]
async fn the_real_server_and_ours_answer_alike() {
    let Some(real) = Real::start().await else { return };
    let server = ours();
    let mut wrong = Vec::new();
    for ask in strict().into_iter().chain(parts()).chain(proxied()).chain(tokens()).chain(reviews()) {
        let wanted = normal(real.ask(&ask).await);
        let found = normal(ask_ours(&server, &ask).await);
        if wanted != found {
            let Ask { method, path, media, body } = ask;
            wrong.push(format!("{method} {path} {media} {body}\n  real {wanted:?}\n  ours {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}
