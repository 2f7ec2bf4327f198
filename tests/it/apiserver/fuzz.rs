//! Requests that nobody should make: the server answers each with a `Status` of the right code, keeps no more than its
//! limits, and does not let others feel it.
//!
//! `COALMINE_FUZZ_CASES=1000000 cargo test --release --test it fuzz` looks for longer.

use super::support::{paused, server};
use axum::body::{Body, to_bytes};
use coalmine::apiserver::Server;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

/// Requests per property, unless the environment says otherwise.
const CASES: u32 = 256;

/// Ordinary runs play the same requests each time; long ones (`COALMINE_FUZZ_CASES`) play others each time.
fn config() -> ProptestConfig {
    let long = std::env::var("COALMINE_FUZZ_CASES").ok().and_then(|it| it.parse().ok());
    let seed = long.map_or(RngSeed::Fixed(1), |_: u32| RngSeed::Random);
    ProptestConfig {
        cases: long.unwrap_or(CASES),
        rng_seed: seed,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[derive(Debug, Clone)]
struct Odd {
    method: &'static str,
    path: String,
    query: String,
    media: String,
    accept: String,
    body: Vec<u8>,
}

fn segment() -> impl Strategy<Value = String> {
    let known = [
        "api",
        "apis",
        "v1",
        "apps",
        "namespaces",
        "default",
        "pods",
        "configmaps",
        "deployments",
        "status",
        "scale",
        "proxy",
        "watch",
        "a",
        "example.com",
        "customresourcedefinitions",
        "apiextensions.k8s.io",
        "openapi",
        "v3",
        "events",
        "log",
        "exec",
        "",
        ".",
        "..",
        "%2e%2e",
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "a+b",
        "a%2Fb",
        "\u{e9}\u{1f980}",
    ];
    prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "\\PC{0,8}",
        1 => (1_usize..4_000).prop_map(|it| "x".repeat(it)),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let usual = [
        "/api/v1/namespaces/default/configmaps",
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/namespaces/default/pods",
        "/apis/apps/v1/namespaces/default/deployments/a",
        "/apis/apps/v1/namespaces/default/deployments/a/scale",
        "/apis/apps/v1/namespaces/default/deployments/a/status",
        "/api/v1/namespaces",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/example.com/v1/namespaces/default/odds",
        "/apis/example.com/v1/namespaces/default/odds/a",
        "/version",
        "/healthz",
    ];
    prop_oneof![
        3 => prop::sample::select(usual.to_vec()).prop_map(str::to_owned),
        1 => prop::collection::vec(segment(), 0..9).prop_map(|it| format!("/{}", it.join("/"))),
    ]
}

fn value_of_query() -> impl Strategy<Value = String> {
    let known = [
        "true",
        "1",
        "0",
        "-1",
        "99999999999999999999",
        "NaN",
        "a%3Db",
        "a%20in%20(b,c)",
        "!a",
        "((((",
        "metadata.name%3Da",
        "All",
        "Strict",
        "Exact",
        "NotOlderThan",
        "Foreground",
        "bm9uc2Vuc2U",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MX0",
        "%00",
        "%ff",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTg0NDY3NDQwNzM3MDk1NTE2MTUsIm5zIjoiIiwibmFtZSI6IiJ9",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,20}", 1 => "\\PC{0,12}"]
}

fn query() -> impl Strategy<Value = String> {
    let names = [
        "watch",
        "labelSelector",
        "fieldSelector",
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "timeoutSeconds",
        "sendInitialEvents",
        "allowWatchBookmarks",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
        "propagationPolicy",
        "gracePeriodSeconds",
        "includeObject",
        "pretty",
        "",
        "x",
    ];
    let pair =
        (prop::sample::select(names.to_vec()), value_of_query()).prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(pair, 0..4).prop_map(|it| it.join("&"))
}

fn media() -> impl Strategy<Value = String> {
    let known = [
        "",
        "application/json",
        "application/yaml",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
        "application/vnd.kubernetes.protobuf",
        "text/plain",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        "application/json;;;=;",
        ",,,",
        "*/*",
    ];
    prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,30}"]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|it| serde_json::Number::from_f64(it).map_or(Value::Null, Value::Number)),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "a",
            "default",
            "v1",
            "ConfigMap",
            "50%",
            "100m",
            "2030-01-01T00:00:00Z",
            "$patch",
            "delete"
        ])
        .prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "uid",
        "managedFields",
        "fieldsV1",
        "generateName",
        "resourceVersion",
        "deletionTimestamp",
        "spec",
        "status",
        "replicas",
        "selector",
        "matchLabels",
        "template",
        "containers",
        "image",
        "ports",
        "data",
        "op",
        "path",
        "from",
        "value",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "f:data",
        ".",
        "versions",
        "schema",
        "openAPIV3Schema",
        "properties",
        "type",
        "items",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "pattern",
        "names",
        "plural",
        "group",
    ];
    prop_oneof![9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6).prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// An object that would do, with one part replaced by anything.
fn nearly_right() -> impl Strategy<Value = Value> {
    let right = [
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "labels": { "a": "b" }, "finalizers": ["e.com/a"] }, "data": { "a": "b" } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": { "replicas": 1, "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i", "ports": [{ "containerPort": 1 }], "env": [{ "name": "A", "value": "b" }] }] } } } }),
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "ownerReferences": [{ "apiVersion": "v1", "kind": "x", "name": "y", "uid": "z" }] },
            "spec": { "containers": [{ "name": "c", "image": "i", "resources": { "limits": { "cpu": "1" } } }], "tolerations": [{}] } }),
        json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "odds.example.com" },
            "spec": { "group": "example.com", "scope": "Namespaced", "names": { "plural": "odds", "kind": "Odd" }, "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } } } }] } }),
        json!([{ "op": "add", "path": "/data/b", "value": "c" }, { "op": "copy", "from": "/data", "path": "/metadata/annotations" }, { "op": "remove", "path": "/data" }]),
        json!({ "apiVersion": "example.com/v1", "kind": "Odd", "metadata": { "name": "a" }, "spec": { "a": [{ "b": 1 }] } }),
    ];
    (prop::sample::select(right.to_vec()), any::<prop::sample::Index>(), tree()).prop_map(|(mut object, at, part)| {
        let mut places = Vec::new();
        pointers(&object, String::new(), &mut places);
        *object.pointer_mut(at.get::<String>(&places)).unwrap() = part;
        object
    })
}

fn pointers(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, it)| {
            pointers(it, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), places);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(key, it)| pointers(it, format!("{at}/{key}"), places));
        }
        _ => {}
    }
    places.push(at);
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let deep = (0_usize..100_000, prop::sample::select(vec!["[", "{\"a\":", "- ", "{a: ", "[["]))
        .prop_map(|(count, open)| open.repeat(count));
    prop_oneof![
        6 => nearly_right().prop_map(|it| it.to_string().into_bytes()),
        2 => tree().prop_map(|it| it.to_string().into_bytes()),
        1 => deep.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (nearly_right(), any::<prop::sample::Index>()).prop_map(|(it, at)| {
            let mut text = it.to_string().into_bytes();
            text.truncate(at.index(text.len() + 1));
            text
        }),
        1 => "\\PC{0,80}".prop_map(String::into_bytes),
    ]
}

fn odd() -> impl Strategy<Value = Odd> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]);
    (method, path(), query(), media(), media(), body()).prop_map(|(method, path, query, media, accept, body)| Odd {
        method,
        path,
        query,
        media,
        accept,
        body,
    })
}

/// The answer, unless HTTP itself does not allow the request. Of a stream that does not end, the beginning.
async fn ask(server: &Server, odd: &Odd) -> Option<(u16, String, Vec<u8>)> {
    let uri = format!("{}?{}", odd.path, odd.query).replace(' ', "%20");
    let request = http::Request::builder().method(odd.method).uri(uri);
    let request = request.header("content-type", &odd.media).header("accept", &odd.accept);
    let request = request.body(Body::from(odd.body.clone())).ok()?;
    let answer = server.router().oneshot(request).await.unwrap();
    let media = answer.headers().get("content-type").map_or("", |it| it.to_str().unwrap()).to_owned();
    let code = answer.status().as_u16();
    let whole = tokio::time::timeout(Duration::from_secs(7_200), to_bytes(answer.into_body(), 64 << 20)).await;
    Some((code, media, whole.map_or_else(|_| Vec::new(), |it| it.unwrap().to_vec())))
}

/// A refusal is a `Status` of its own code, or what Go's servers write where there is nothing at all; the OpenAPI documents'
/// own handler writes nothing.
fn is_a_refusal(path: &str, code: u16, media: &str, body: &[u8]) -> bool {
    if path.starts_with("/openapi/") && body.is_empty() {
        return matches!(code, 404 | 406);
    }
    if media.starts_with("text/plain") {
        return code == 404 && body == b"404 page not found\n";
    }
    let status: Value = serde_json::from_slice(body).unwrap_or_default();
    media == "application/json" && status["kind"] == "Status" && status["status"] == "Failure" && status["code"] == code
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn odd_requests_get_a_status_each_and_disturb_nobody(requests in prop::collection::vec(odd(), 1..24)) {
        paused(async {
            let server = server();
            for odd in &requests {
                let Some((code, media, body)) = ask(&server, odd).await else { continue };
                prop_assert!(code < 400 || odd.method == "HEAD" || is_a_refusal(&odd.path, code, &media, &body),
                    "{} {} {}: {code} {media} {}", odd.method, odd.path, odd.query, String::from_utf8_lossy(&body));
                prop_assert!(code < 500 || matches!(code, 500 | 503 | 504), "{code}");
            }
            let mine = Odd { method: "GET", path: "/api/v1/namespaces/kube-system".to_owned(), query: String::new(), media: String::new(),
                accept: String::new(), body: Vec::new() };
            let (code, ..) = ask(&server, &mine).await.unwrap();
            prop_assert_eq!(code, 200);
            prop_assert_eq!(server.footprint().buffered, 0);
            Ok(())
        })?;
    }
}

/// Each would overflow the stack, or fill the memory, of a server that believed it.
#[test]
fn nothing_is_too_deep_or_grows_without_end() {
    let deep = |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let doubling: Vec<Value> =
        (0..64).map(|it| json!({ "op": "copy", "from": "", "path": format!("/metadata/annotations/c{it}") })).collect();
    let deeper: Vec<Value> =
        (0..5_000).map(|it| json!({ "op": "add", "path": format!("/data{}", "/a".repeat(it)), "value": {} })).collect();
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let maps = "/api/v1/namespaces/default/configmaps";
    let one = "/api/v1/namespaces/default/configmaps/a";
    let cases = [
        ("POST", maps, "application/json", deep("{\"a\":", "}", 100_000)),
        ("POST", maps, "application/json", deep("[", "]", 1_000_000)),
        ("POST", maps, "application/yaml", deep("[", "]", 100_000)),
        ("POST", maps, "application/yaml", "- ".repeat(100_000)),
        ("POST", maps, "application/yaml", aliases.to_owned()),
        ("PATCH", one, "application/merge-patch+json", deep("{\"a\":", "}", 101)),
        ("PATCH", one, "application/strategic-merge-patch+json", deep("{\"a\":", "}", 120)),
        ("PATCH", one, "application/apply-patch+yaml", deep("{a: ", "}", 5_000)),
        ("PATCH", one, "application/json-patch+json", Value::from(doubling).to_string()),
        ("PATCH", one, "application/json-patch+json", Value::from(deeper).to_string()),
        ("GET", "/api/v1/pods?labelSelector=((((((((((((((((((((((((((", "", String::new()),
    ];
    paused(async {
        let server = server();
        let map = json!({ "metadata": { "name": "a", "annotations": {} }, "data": { "a": "b" } });
        server.api().create("configmaps", "default", map.clone()).unwrap();
        for (method, path, media, body) in cases {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let odd = Odd {
                method,
                path: path.to_owned(),
                query: query.to_owned(),
                media: media.to_owned(),
                accept: String::new(),
                body: body.into_bytes(),
            };
            let (code, media, answer) = ask(&server, &odd).await.unwrap();
            let text = String::from_utf8_lossy(&answer);
            let text: String = text.chars().take(300).collect();
            assert!(
                (400..500).contains(&code) && is_a_refusal(&odd.path, code, &media, &answer),
                "{} {media}: {code} {text}",
                odd.path
            );
        }
        let kept = server.api().get("configmaps", "default", "a").unwrap();
        assert_eq!(kept["data"], map["data"], "nothing was done");
    });
}

/// As deep as a body may be, an object can be kept, read, owned by several, listed and deleted.
#[test]
fn what_is_as_deep_as_it_may_be_lives_its_whole_life() {
    let definition = json!({
        "metadata": { "name": "odds.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced", "names": { "plural": "odds", "kind": "Odd" }, "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } }
        }] }
    });
    paused(async {
        let server = server();
        server.api().create("customresourcedefinitions.apiextensions.k8s.io", "", definition).unwrap();
        let deep = (0..98).fold(json!(1), |inner, _| json!({ "a": inner }));
        let body = |turn: usize| json!({ "apiVersion": "example.com/v1", "kind": "Odd", "metadata": { "name": "a" }, "spec": deep, "turn": turn });
        let all = "/apis/example.com/v1/namespaces/default/odds";
        let one = &format!("{all}/a");
        let steps = [
            ("POST", all, "", "application/json", body(0).to_string()),
            ("PATCH", one, "fieldManager=x&force=true", "application/apply-patch+yaml", body(1).to_string()),
            ("PATCH", one, "fieldManager=y&force=true", "application/apply-patch+yaml", body(2).to_string()),
            ("PATCH", one, "", "application/merge-patch+json", json!({ "turn": 3 }).to_string()),
            ("GET", one, "", "", String::new()),
            ("GET", all, "", "", String::new()),
        ];
        for (method, path, query, media, body) in steps {
            let odd = Odd {
                method,
                path: path.to_owned(),
                query: query.to_owned(),
                media: media.to_owned(),
                accept: String::new(),
                body: body.into_bytes(),
            };
            let (code, _, answer) = ask(&server, &odd).await.unwrap();
            assert!(
                code < 300,
                "{method} {path}: {code} {}",
                String::from_utf8_lossy(&answer).chars().take(300).collect::<String>()
            );
        }
        // Many others push it out of the decoded ones.
        for at in 0..1_600 {
            server.api().create("configmaps", "default", json!({ "metadata": { "name": format!("m{at}") } })).unwrap();
        }
        assert_eq!(server.api().get("odds.example.com", "default", "a").unwrap()["turn"], 3);
        server
            .api()
            .delete("odds.example.com", "default", "a", &coalmine::apiserver::DeleteOptions::default())
            .unwrap();
    });
}
