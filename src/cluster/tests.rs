//! The client against a scripted server.

use super::testing::{Answer, Asked, End, server, status};
use super::*;
use crate::model::object::ObjectRef;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, timeout};

fn ok() -> Answer {
    Answer::Json(200, json!({"kind": "Deployment"}))
}

fn deployment(name: &str) -> ObjectRef {
    ObjectRef::new("apps/v1", "Deployment", "test", name)
}

fn list(version: &str, names: &[&str]) -> Answer {
    let items: Vec<_> = names.iter().map(|it| json!({"metadata": {"name": it}})).collect();
    Answer::Json(200, json!({"metadata": {"resourceVersion": version}, "items": items}))
}

#[tokio::test(start_paused = true)]
async fn refusals_keep_the_servers_words() {
    for (code, reason, expected) in [
        (409, "AlreadyExists", ClusterError::AlreadyExists("words".to_owned())),
        (409, "Conflict", ClusterError::Conflict("words".to_owned())),
        (410, "Expired", ClusterError::Gone("words".to_owned())),
        (422, "Invalid", ClusterError::Invalid("words".to_owned())),
        (404, "NotFound", ClusterError::NotFound("words".to_owned())),
        (403, "Forbidden", ClusterError::Refused { code: 403, message: "words".to_owned() }),
    ] {
        let (client, _) = server(vec![status(code, reason, "words")]);
        let refused = client.delete(&deployment("podinfo")).await.unwrap_err();
        assert_eq!((refused.to_string().as_str(), &refused), ("words", &expected), "{code} {reason}");
    }
    let (client, _) = server(vec![Answer::Json(500, json!("oops"))]);
    let refused = client.get(&deployment("podinfo")).await.unwrap_err().to_string();
    assert!(refused.starts_with("an error on the server (") && refused.contains("oops"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_none() {
    let (client, _) = server(vec![status(404, "NotFound", "deployments.apps \"x\" not found"), ok()]);
    assert_eq!(client.get(&deployment("x")).await, Ok(None));
    assert_eq!(client.get(&deployment("x")).await, Ok(Some(json!({"kind": "Deployment"}))));
}

#[tokio::test(start_paused = true)]
async fn every_verb_has_its_path_and_content_type() {
    let object =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "podinfo", "namespace": "test"}});
    let (client, asked) = server((0..10).map(|_| ok()).collect());
    let reference = ObjectRef::of(&object);
    client.create(&object).await.unwrap();
    client.replace(&object).await.unwrap();
    client.replace_status(&object).await.unwrap();
    client.merge_patch(&reference, Some("scale"), &json!({"a": null})).await.unwrap();
    client.json_patch(&reference, None, &json!([])).await.unwrap();
    client.apply(&object, "coal mine", true).await.unwrap();
    client.get(&ObjectRef::new("v1", "Namespace", "", "test")).await.unwrap();
    client.get(&ObjectRef::new("v1", "ConfigMap", "", "a/b")).await.unwrap();
    client.list("v1", "Pod", None, Some("app=podinfo,tier!=x")).await.unwrap();
    client.delete(&reference).await.unwrap();
    let base = "/apis/apps/v1/namespaces/test/deployments";
    let body = object.to_string();
    let expected = [
        format!("POST {base} application/json {body}"),
        format!("PUT {base}/podinfo application/json {body}"),
        format!("PUT {base}/podinfo/status application/json {body}"),
        format!(r#"PATCH {base}/podinfo/scale application/merge-patch+json {{"a":null}}"#),
        format!("PATCH {base}/podinfo application/json-patch+json []"),
        format!("PATCH {base}/podinfo?fieldManager=coal+mine&force=true application/apply-patch+yaml {body}"),
        "GET /api/v1/namespaces/test".to_owned(),
        "GET /api/v1/namespaces/default/configmaps/a%2Fb".to_owned(),
        "GET /api/v1/pods?labelSelector=app%3Dpodinfo%2Ctier%21%3Dx&limit=500".to_owned(),
        format!(r#"DELETE {base}/podinfo application/json {{"apiVersion":"v1","kind":"DeleteOptions"}}"#),
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn lists_follow_continue_tokens_and_name_their_items() {
    let first =
        json!({"metadata": {"resourceVersion": "7", "continue": "next page"}, "items": [{"metadata": {"name": "a"}}]});
    let (client, asked) = server(vec![Answer::Json(200, first), list("7", &["b"])]);
    let items = client.list("apps/v1", "Deployment", Some("test"), None).await.unwrap();
    let names: Vec<_> = items.iter().map(|it| ObjectRef::of(it).to_string()).collect();
    assert_eq!(names, ["Deployment a", "Deployment b"]);
    assert!(asked.lock().unwrap()[1].ends_with("?limit=500&continue=next+page"));
}

#[tokio::test(start_paused = true)]
async fn unknown_kinds_are_discovered_once() {
    let resources = json!({"resources": [
        {"name": "widgets/status", "kind": "Widget", "namespaced": true},
        {"name": "widgets", "kind": "Widget", "namespaced": true},
    ]});
    let (client, asked) = server(vec![Answer::Json(200, resources.clone()), ok(), ok(), Answer::Json(200, resources)]);
    let widget = ObjectRef::new("example.com/v1", "Widget", "test", "w");
    client.get(&widget).await.unwrap();
    client.get(&widget).await.unwrap();
    let gadget = ObjectRef::new("example.com/v1", "Gadget", "test", "g");
    let unknown = client.get(&gadget).await.unwrap_err();
    assert!(matches!(unknown, ClusterError::UnknownKind { .. }), "{unknown}");
    let path = "GET /apis/example.com/v1/namespaces/test/widgets/w";
    let discovery = "GET /apis/example.com/v1";
    assert_eq!(*asked.lock().unwrap(), [discovery, path, path, discovery]);
}

#[tokio::test(start_paused = true)]
async fn a_nameless_object_is_refused_before_it_is_sent() {
    let (client, asked) = server(vec![]);
    let refused = client.get(&deployment("")).await.unwrap_err();
    assert_eq!(refused.to_string(), "cannot ask the Kubernetes API: the Deployment has no metadata.name");
    assert!(asked.lock().unwrap().is_empty());
}

/// The next `count` things that a watch of Deployments tells, in short: `+name`, `-name`, `=name,name`.
async fn told(client: &Client, count: usize) -> Vec<String> {
    let watch = client.watch("apps/v1", "Deployment", Some("test"), Some("metadata.name=podinfo"));
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap().to_owned();
    let short = |it: Watched| match it {
        Watched::Applied(object) => format!("+{}", name(&object)),
        Watched::Deleted(object) => format!("-{}", name(&object)),
        Watched::Restarted(objects) => format!("={}", objects.iter().map(name).collect::<Vec<_>>().join(",")),
    };
    timeout(Duration::from_secs(3_600), watch.take(count).map(short).collect()).await.expect("the watch went silent")
}

/// Where the watches that were asked for began, and the lists: `list`, `7`.
fn places(asked: &Asked) -> Vec<String> {
    let place = |line: &String| match line.split_once("resourceVersion=") {
        Some((_, rest)) => rest.split('&').next().unwrap().to_owned(),
        None => "list".to_owned(),
    };
    asked.lock().unwrap().iter().map(place).collect()
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_changes_and_resumes_where_it_was() {
    let events = vec![
        r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"8"}}}"#,
        "\n{\"type\":\"MODI",
        "FIED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"9\"}}}\n\n",
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"12\"}}}\n",
    ];
    let deleted =
        vec!["{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"13\"}}}\n"];
    let (client, asked) =
        server(vec![list("7", &["z"]), Answer::Stream(events, End::Closed), Answer::Stream(deleted, End::Open)]);
    assert_eq!(told(&client, 4).await, ["=z", "+a", "+a", "-a"]);
    assert_eq!(places(&asked), ["list", "7", "12"]);
    let opened = asked.lock().unwrap()[1].clone();
    assert_eq!(
        opened,
        "GET /apis/apps/v1/namespaces/test/deployments?watch=true&timeoutSeconds=290&allowWatchBookmarks=true\
         &resourceVersion=7&fieldSelector=metadata.name%3Dpodinfo"
    );
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_place_means_a_new_list() {
    let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
    let gone: &'static str = Box::leak(format!("{gone}\n").into_boxed_str());
    for (what, forgotten) in
        [("in the stream", Answer::Stream(vec![gone], End::Open)), ("at once", status(410, "Expired", "too old"))]
    {
        let (client, asked) = server(vec![list("7", &["a"]), forgotten, list("20", &["b"])]);
        let start = Instant::now();
        assert_eq!(told(&client, 2).await, ["=a", "=b"], "{what}");
        assert_eq!(places(&asked), ["list", "7", "list"], "{what}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{what}: a 410 needs no back-off");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_with_growing_waits() {
    let failing = || status(500, "InternalError", "etcd is slow");
    let (client, asked) = server(vec![failing(), failing(), failing(), list("7", &["a"])]);
    let start = Instant::now();
    assert_eq!(told(&client, 1).await, ["=a"]);
    assert_eq!(start.elapsed(), Duration::from_millis(800 + 1_600 + 3_200));
    assert_eq!(places(&asked), ["list"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_at_once_cannot_make_it_spin() {
    let mut answers = vec![list("7", &[])];
    answers.extend((0..8).map(|_| Answer::Stream(vec![], End::Closed)));
    answers.push(Answer::Stream(vec!["{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n"], End::Open));
    let (client, _) = server(answers);
    let start = Instant::now();
    assert_eq!(told(&client, 2).await, ["=", "+a"]);
    let waits = [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
    assert_eq!(start.elapsed().as_millis(), waits.iter().sum::<u128>());
}

#[tokio::test(start_paused = true)]
async fn a_broken_line_resumes_after_a_wait() {
    let (client, asked) = server(vec![
        list("7", &[]),
        Answer::Stream(vec!["not json\n"], End::Open),
        Answer::Stream(vec!["{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n"], End::Open),
    ]);
    assert_eq!(told(&client, 2).await, ["=", "+a"]);
    assert_eq!(places(&asked), ["list", "7", "7"]);
}

#[tokio::test(start_paused = true)]
async fn proxied_requests_reach_the_app_and_its_errors_are_answers() {
    let (client, asked) = server(vec![
        Answer::Json(500, json!({"error": "fault"})),
        Answer::Json(200, json!("hello")),
        status(503, "ServiceUnavailable", "no endpoints available for service \"podinfo\""),
    ]);
    let request = |path: &str| http::Request::post(path).body(Bytes::from_static(b"{}")).unwrap();
    let answer = client.pod_request("test", "podinfo-1", 9898, request("/fault?x=1")).await.unwrap();
    assert_eq!(answer.status(), 500);
    let answer = client.service_request("test", "podinfo", 80, request("http://anything/")).await.unwrap();
    assert_eq!(answer.body(), "\"hello\"");
    let refused = client.service_request("test", "podinfo", 80, request("/")).await.unwrap_err();
    assert_eq!(refused.to_string(), "no endpoints available for service \"podinfo\"");
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with("POST /api/v1/namespaces/test/pods/podinfo-1:9898/proxy/fault?x=1 "), "{}", asked[0]);
    assert!(asked[1].starts_with("POST /api/v1/namespaces/test/services/podinfo:80/proxy/ "), "{}", asked[1]);
}

#[test]
fn loopback_is_known_in_all_its_forms() {
    for (host, expected) in
        [("localhost", true), ("127.0.0.1", true), ("[::1]", true), ("10.0.0.1", false), ("k8s.local", false)]
    {
        assert_eq!(connect::is_loopback(host), expected, "{host}");
    }
}

#[tokio::test]
async fn an_address_is_enough_for_a_client() {
    assert!(Client::connect_url("http://127.0.0.1:6443").is_ok());
    assert!(matches!(Client::connect_url("http://no host"), Err(ConnectError::Address { .. })));
}
