//! The HTTP face: codes, media types, streams, discovery.

use super::support::{deployment, paused, server};
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use coalmine::apiserver::{Server, resource};
use coalmine::sys::http::{Http, HttpError, Request, Response};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// Sends a request; the answer is its code, its body as text, and its headers.
async fn send(server: &Server, request: http::Request<Body>) -> (u16, String, http::HeaderMap) {
    let response = server.router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), String::from_utf8(bytes.to_vec()).unwrap(), parts.headers)
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> http::Request<Body> {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn get(server: &Server, uri: &str, accept: &str) -> (u16, Value) {
    let (code, text, _) = send(server, request("GET", uri, &[("accept", accept)], "")).await;
    (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

/// Each row: what is asked, and the code and message of the refusal.
#[test]
fn refusals_have_the_codes_and_words_of_the_real_server() {
    let json = "application/json";
    let cases = [
        (
            "GET",
            "/apis/apps/v1/namespaces/default/deployments/nope",
            "",
            "",
            404,
            "deployments.apps \"nope\" not found",
        ),
        ("GET", "/api/v1/foos", "", "", 404, "the server could not find the requested resource"),
        (
            "GET",
            "/api/v1/namespaces/default/pods/x/foo",
            "",
            "",
            404,
            "the server could not find the requested resource",
        ),
        ("PUT", DEPLOYMENTS, json, "{}", 405, "the server does not allow this method on the requested resource"),
        (
            "GET",
            "/api/v1/pods?labelSelector=a%20b",
            "",
            "",
            400,
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("GET", "/api/v1/pods?fieldSelector=spec.x%3D1", "", "", 400, "field label not supported: spec.x"),
        (
            "POST",
            DEPLOYMENTS,
            json,
            r#"{"metadata":{"name":"d"},"spec":{"replicas":"x"}}"#,
            400,
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct \
             field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "POST",
            DEPLOYMENTS,
            json,
            r#"{"metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"image":5}]}}}}"#,
            400,
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number into Go struct \
             field Container.spec.template.spec.containers.image of type string",
        ),
        (
            "POST",
            "/apis/apps/v1/namespaces/default/deployments?fieldValidation=Strict",
            json,
            r#"{"metadata":{"name":"d"},"spec":{"foo":1}}"#,
            400,
            "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.foo\"",
        ),
        ("POST", "/apis/apps/v1/namespaces/nope/deployments", json, "", 404, "namespaces \"nope\" not found"),
        (
            "POST",
            DEPLOYMENTS,
            json,
            r#"{"apiVersion":"apps/v2"}"#,
            400,
            "the API version in the data (apps/v2) does not match the expected API version (apps/v1)",
        ),
    ];
    paused(async {
        let server = server();
        let good = deployment("d").to_string();
        for (method, uri, media, body, code, message) in cases {
            let body =
                if body.is_empty() && method == "POST" { good.replace("default", "nope") } else { body.to_owned() };
            let (found, text, _) = send(&server, request(method, uri, &[("content-type", media)], &body)).await;
            let status: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{uri}: {text}"));
            assert_eq!((found, &status["message"]), (code, &json!(message)), "{method} {uri}");
            assert_eq!((&status["kind"], &status["code"]), (&json!("Status"), &json!(code)));
        }
        for path in ["/nope", "/apis/nope/v1/things"] {
            let (code, text) = get(&server, path, "").await;
            assert_eq!((code, text), (404, json!("404 page not found\n")), "{path}");
        }
        let (code, _) = get(&server, DEPLOYMENTS, "text/plain").await;
        assert_eq!(code, 406);
    });
}

#[test]
fn an_object_lives_its_life_over_http() {
    paused(async {
        let server = server();
        let json_type = [("content-type", "application/json"), ("user-agent", "kubectl/v1.34.3 (linux)")];
        let mut object = deployment("d");
        object["spec"]["typo"] = json!(1);
        let (code, text, headers) = send(&server, request("POST", DEPLOYMENTS, &json_type, &object.to_string())).await;
        assert_eq!(code, 201, "{text}");
        assert_eq!(headers["warning"], "299 - \"unknown field \\\"spec.typo\\\"\"");
        let made: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made["metadata"]["managedFields"][0]["manager"], json!("kubectl"));
        let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 0o2}\n";
        let uri = format!("{DEPLOYMENTS}/d?fieldManager=me&force=true");
        let apply = request("PATCH", &uri, &[("content-type", "application/apply-patch+yaml")], yaml);
        let (code, text, _) = send(&server, apply).await;
        assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()["spec"]["replicas"].clone()), (200, json!(2)));
        let (code, table) =
            get(&server, DEPLOYMENTS, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await;
        assert_eq!((code, &table["kind"]), (200, &json!("Table")));
        assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..3], [json!("d"), json!("0/2"), json!(0)]);
        let (_, list) = get(&server, DEPLOYMENTS, "application/json").await;
        assert_eq!(list["kind"], json!("DeploymentList"));
        let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
        let (_, list) = get(&server, DEPLOYMENTS, partial).await;
        assert_eq!(list["items"][0]["kind"], json!("PartialObjectMetadata"));
        let (code, text, _) = send(&server, request("DELETE", &format!("{DEPLOYMENTS}/d"), &[], "")).await;
        assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()["status"].clone()), (200, json!("Success")));
    });
}

#[test]
fn a_watch_over_http_is_one_json_event_per_line() {
    paused(async {
        let server = server();
        server.api().create(resource::DEPLOYMENTS, "default", deployment("d")).unwrap();
        let uri = format!("{DEPLOYMENTS}?watch=true&timeoutSeconds=30");
        let response = server.router().oneshot(request("GET", &uri, &[], "")).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut stream = response.into_body().into_data_stream();
        let line = stream.next().await.unwrap().unwrap();
        assert_eq!(line.last(), Some(&b'\n'));
        let event: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("ADDED"), &json!("Deployment")));
        assert!(stream.next().await.is_none(), "it ends after its 30 seconds");
    });
}

#[test]
fn discovery_tells_what_there_is() {
    paused(async {
        let server = server();
        let (_, core) = get(&server, "/api/v1", "").await;
        let named =
            |name: &str| core["resources"].as_array().unwrap().iter().find(|it| it["name"] == json!(name)).cloned();
        assert_eq!(named("pods").unwrap()["shortNames"], json!(["po"]));
        assert!(named("pods/status").is_some());
        let (_, groups) = get(&server, "/apis", "").await;
        let names: Vec<_> =
            groups["groups"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"apps") && names.contains(&"apiextensions.k8s.io"), "{names:?}");
        let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        let (_, all) = get(&server, "/apis", aggregated).await;
        assert_eq!(all["kind"], json!("APIGroupDiscoveryList"));
        let (_, version) = get(&server, "/version", "").await;
        assert_eq!(version["gitVersion"], json!("v1.34.3"));
        for path in ["/healthz", "/readyz", "/livez"] {
            assert_eq!(get(&server, path, "").await, (200, json!("ok")));
        }
    });
}

/// Answers with what was asked.
struct Echo;

impl Http for Echo {
    fn send(&self, request: Request, _: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let answer = match request.uri().host() {
            Some("gone.default") => Err(HttpError::Refused { address: "gone.default:80".to_owned() }),
            _ => {
                let text =
                    format!("{} {} {}", request.method(), request.uri(), String::from_utf8_lossy(request.body()));
                Ok(http::Response::builder().status(202).header("x-echo", "1").body(Bytes::from(text)).unwrap())
            }
        };
        Box::pin(async move { answer })
    }
}

#[test]
fn the_proxy_carries_requests_to_pods_and_services() {
    paused(async {
        let server = server();
        let api = server.api();
        for name in ["web", "gone"] {
            let service =
                json!({ "metadata": { "name": name }, "spec": { "ports": [{ "name": "http", "port": 80 }] } });
            api.create(resource::SERVICES, "default", service).unwrap();
        }
        let base = "/api/v1/namespaces/default";
        let ask = |name: &str| request("POST", &format!("{base}/services/{name}/proxy/a/b?c=d"), &[], "body");
        assert_eq!(send(&server, ask("web:http")).await.0, 503, "nobody carries it yet");
        server.set_proxy(Arc::new(Echo));
        let (code, text, headers) = send(&server, ask("web:http")).await;
        assert_eq!((code, text.as_str()), (202, "POST http://web.default:80/a/b?c=d body"));
        assert_eq!(headers["x-echo"], "1");
        let (code, text, _) = send(&server, ask("web")).await;
        assert_eq!((code, text.as_str()), (202, "POST http://web.default:80/a/b?c=d body"));
        assert_eq!(send(&server, ask("gone:80")).await.0, 503);
        assert_eq!(send(&server, ask("nope:80")).await.0, 404);
        assert_eq!(send(&server, ask("web:grpc")).await.0, 503);
    });
}

#[test]
fn an_event_has_two_faces_and_is_one_object() {
    paused(async {
        let server = server();
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "namespace": "default" },
            "involvedObject": { "kind": "Pod", "name": "p" }, "reason": "R", "message": "m", "type": "Normal"
        });
        server.api().create(resource::EVENTS, "default", event).unwrap();
        let (_, new) = get(&server, "/apis/events.k8s.io/v1/namespaces/default/events/e", "").await;
        assert_eq!((&new["note"], &new["regarding"]["name"]), (&json!("m"), &json!("p")));
        assert_eq!(new["apiVersion"], json!("events.k8s.io/v1"));
        let newer = json!({ "metadata": { "name": "n" }, "note": "later", "regarding": { "name": "q" } }).to_string();
        let uri = "/apis/events.k8s.io/v1/namespaces/default/events";
        let (code, text, _) =
            send(&server, request("POST", uri, &[("content-type", "application/json")], &newer)).await;
        assert_eq!(code, 201, "{text}");
        let core = server.api().get(resource::EVENTS, "default", "n").unwrap();
        assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("later"), &json!("q")));
    });
}

#[test]
fn the_open_api_documents_name_types_and_the_parameters_kubectl_looks_for() {
    paused(async {
        let server = server();
        let (_, index) = get(&server, "/openapi/v3", "").await;
        let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
        let (_, apps) = get(&server, &url, "").await;
        let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        let names: Vec<_> =
            patch["parameters"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"fieldValidation"), "{names:?}");
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], json!("Deployment"));
        let containers = &apps["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    });
}
