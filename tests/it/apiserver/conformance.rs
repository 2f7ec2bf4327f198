//! One body, two arms: the same requests to kube-apiserver and to the embedded server, and the same answers.
//!
//! It needs `etcd` and `kube-apiserver` on PATH and is skipped, loudly, where they are missing.

use super::support::{deployment, server};
use crate::real::KubeApi;
use axum::body::{Body, to_bytes};
use coalmine::apiserver::Server;
use serde_json::{Value, json};
use tower::ServiceExt;

/// One request: method, path, media type, body.
struct Ask(&'static str, String, &'static str, Value);

async fn ask_real(real: &KubeApi, client: &reqwest::Client, ask: &Ask) -> (u16, Value) {
    let method = ask.0.parse::<reqwest::Method>().unwrap();
    let mut request = client.request(method, format!("{}{}", real.url, ask.1)).bearer_auth(KubeApi::TOKEN);
    request = request.header("user-agent", "arm/1").header("content-type", ask.2);
    if !ask.3.is_null() {
        request = request.body(ask.3.to_string());
    }
    let answer = request.send().await.unwrap();
    let code = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn ask_ours(server: &Server, ask: &Ask) -> (u16, Value) {
    let body = if ask.3.is_null() { Body::empty() } else { Body::from(ask.3.to_string()) };
    let request = http::Request::builder().method(ask.0).uri(&ask.1).header("user-agent", "arm/1");
    let answer = server.router().oneshot(request.header("content-type", ask.2).body(body).unwrap()).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Without what must differ: uids, times, revisions, addresses; an empty object and a missing one are the same.
fn normal(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "continue"] {
                map.remove(key);
            }
            let entries = map.get_mut("managedFields").and_then(Value::as_array_mut);
            entries
                .into_iter()
                .for_each(|it| it.sort_by_key(|it| (it["manager"].to_string(), it["subresource"].to_string())));
            map.iter_mut().filter(|(key, _)| *key != "fieldsV1").for_each(|(_, it)| normal(it));
            map.retain(|_, it| !it.is_null() && *it != json!({}) && *it != json!(""));
        }
        Value::Array(items) => items.iter_mut().for_each(normal),
        _ => {}
    }
}

const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn deployments() -> Vec<Ask> {
    let of = |name: &str| format!("{DEPLOYMENTS}/{name}");
    let with = |change: fn(&mut Value)| {
        let mut object = deployment("bad");
        change(&mut object);
        object
    };
    let env = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "main", "env": [{ "name": "A", "value": "1" }], "ports": [{ "containerPort": 80 }],
          "readinessProbe": { "httpGet": { "port": 80 } }, "resources": { "requests": { "cpu": "0.5", "memory": "1024Mi" } } }
    ] } } } });
    let owner = json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [{
        "manager": "other", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": { "f:replicas": {} } }
    }] }]);
    let nobody = |entries: Value| json!({ "metadata": { "managedFields": entries, "labels": { "x": "z" } } });
    let apply = |replicas: i64| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "replicas": replicas } });
    vec![
        Ask("POST", DEPLOYMENTS.to_owned(), JSON, deployment("web")),
        Ask("POST", DEPLOYMENTS.to_owned(), JSON, deployment("web")),
        Ask("PATCH", of("web"), STRATEGIC, env),
        Ask("PATCH", of("web"), MERGE, json!({ "metadata": { "labels": { "x": "y" } }, "spec": { "replicas": 3 } })),
        Ask("PATCH", of("web") + "?fieldManager=ann", APPLY, apply(5)),
        Ask("PATCH", of("web") + "?fieldManager=ann&force=true", APPLY, apply(5)),
        Ask("PATCH", of("web") + "?fieldManager=bob", APPLY, apply(6)),
        Ask("PATCH", of("web") + "/scale", MERGE, json!({ "spec": { "replicas": 2 } })),
        Ask("PATCH", of("web") + "/status", MERGE, json!({ "status": { "replicas": 2, "readyReplicas": 1 } })),
        Ask("GET", of("web"), JSON, Value::Null),
        Ask("PATCH", of("web"), JSON_PATCH, owner),
        Ask("PATCH", of("web"), MERGE, nobody(json!([]))),
        Ask("PATCH", of("web") + "?fieldManager=bob&force=true", APPLY, apply(3)),
        Ask("PATCH", of("web"), MERGE, nobody(json!([{}]))),
        Ask("PATCH", of("web"), MERGE, json!({ "metadata": { "labels": { "x": "w" } } })),
        Ask("PATCH", of("web"), MERGE, json!({ "spec": { "selector": { "matchLabels": { "app": "other" } } } })),
        Ask("PUT", of("web"), JSON, with(|it| it["metadata"]["name"] = json!("other"))),
        Ask("PATCH", of("none"), MERGE, json!({})),
        Ask("POST", DEPLOYMENTS.to_owned(), JSON, with(|it| it["metadata"]["name"] = json!("B_d"))),
        Ask("POST", DEPLOYMENTS.to_owned(), JSON, with(|it| it["spec"]["replicas"] = json!(-1))),
        Ask("POST", DEPLOYMENTS.to_owned(), JSON, with(|it| it["spec"]["replicas"] = json!("two"))),
        Ask(
            "POST",
            DEPLOYMENTS.to_owned(),
            JSON,
            with(|it| it["spec"]["template"]["metadata"]["labels"] = json!({ "a": "b" })),
        ),
        Ask("POST", DEPLOYMENTS.to_owned(), JSON, with(|it| it["spec"]["template"]["spec"]["containers"] = json!([]))),
        Ask("DELETE", of("web"), JSON, Value::Null),
        Ask("GET", of("web"), JSON, Value::Null),
    ]
}

fn others() -> Vec<Ask> {
    let services = "/api/v1/namespaces/default/services".to_owned();
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses".to_owned();
    let scalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers".to_owned();
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "s", "port": { "number": 80 } } } });
    let rule = |path: Value| json!({ "rules": [{ "host": "a.b", "http": { "paths": [path] } }] });
    let mut untyped = path.clone();
    untyped.as_object_mut().unwrap().remove("pathType");
    let named = |name: &str, spec: Value| json!({ "metadata": { "name": name }, "spec": spec });
    let target = json!({ "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" });
    vec![
        Ask("POST", services.clone(), JSON, named("s", json!({ "selector": { "a": "b" }, "ports": [{ "port": 80 }] }))),
        Ask("PATCH", services.clone() + "/s", STRATEGIC, json!({ "spec": { "ports": [{ "port": 81, "name": "b" }] } })),
        Ask("POST", services, JSON, named("t", json!({ "ports": [{ "port": 0 }] }))),
        Ask("POST", ingresses.clone(), JSON, named("i", rule(path))),
        Ask("POST", ingresses, JSON, named("j", rule(untyped))),
        Ask("POST", scalers.clone(), JSON, named("h", json!({ "scaleTargetRef": target, "maxReplicas": 3 }))),
        Ask("POST", scalers, JSON, named("g", json!({ "scaleTargetRef": target, "maxReplicas": 0 }))),
        Ask("POST", "/api/v1/namespaces".to_owned(), JSON, json!({ "metadata": { "name": "fresh" } })),
        Ask("POST", "/api/v1/namespaces/nope/configmaps".to_owned(), JSON, json!({ "metadata": { "name": "x" } })),
        Ask("GET", "/api/v1/namespaces/default/pods?fieldSelector=spec.x%3Dy".to_owned(), JSON, Value::Null),
        Ask("GET", "/api/v1/foos".to_owned(), JSON, Value::Null),
        Ask("GET", "/apis/no/v1/foos".to_owned(), JSON, Value::Null),
    ]
}

#[test]
fn the_real_server_and_ours_answer_alike() {
    let Some(real) = KubeApi::start() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        real.ready(&client).await;
        let ours = server();
        let mut wrong = Vec::new();
        for ask in deployments().iter().chain(&others()) {
            let (code, mut wanted) = ask_real(&real, &client, ask).await;
            let (found_code, mut found) = ask_ours(&ours, ask).await;
            normal(&mut wanted);
            normal(&mut found);
            if (code, &wanted) != (found_code, &found) {
                wrong.push(format!(
                    "{} {} {}\n  real {code} {wanted}\n  ours {found_code} {found}",
                    ask.0, ask.1, ask.3
                ));
            }
        }
        assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}
