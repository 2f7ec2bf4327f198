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
            r#""template":{"spec":{"containers":[{"name":"c","command":[1],"ports":[{"containerPort":80,"x":1}]}]}}"#,
        ] {
            let body = format!(
                r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"d"}},"spec":{{{spec}}}}}"#
            );
            asks.push(patch(applied.clone(), APPLY, &body));
        }
    }
    asks
}

/// Without what must differ, and without the object that a refused patch shows.
fn normal(mut answer: Answer) -> Answer {
    let refused = answer.body["kind"] == "Status" && answer.body["status"] == "Failure";
    if !refused {
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
    for ask in strict() {
        let wanted = normal(real.ask(&ask).await);
        let found = normal(ask_ours(&server, &ask).await);
        if wanted != found {
            let Ask { method, path, media, body } = ask;
            wrong.push(format!("{method} {path} {media} {body}\n  real {wanted:?}\n  ours {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}
