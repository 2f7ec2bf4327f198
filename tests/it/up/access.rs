//! One body, two arms: who asks and whether they may, against kube-apiserver with RBAC.

use crate::real::KubeApi;
use coalmine::apiserver::Server;
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::Value;
use tower::ServiceExt;

/// Who asks: headers; `TOKEN` stands for the arm's own.
type Who = &'static [(&'static str, &'static str)];

const ADMIN: Who = &[("authorization", "Bearer TOKEN")];
const JANE: Who = &[("authorization", "Bearer TOKEN"), ("impersonate-user", "jane")];
const NOBODY_AS_JANE: Who = &[("impersonate-user", "jane")];
const ROBOT: Who = &[("authorization", "Bearer TOKEN"), ("impersonate-user", "system:serviceaccount:a:robot")];
const NOBODY_AS_ROBOT: Who = &[("impersonate-user", "system:serviceaccount:a:robot")];
const MASTER: Who =
    &[("authorization", "Bearer TOKEN"), ("impersonate-user", "jane"), ("impersonate-group", "system:masters")];
const GROUP_ONLY: Who = &[("authorization", "Bearer TOKEN"), ("impersonate-group", "a")];
const WRONG: Who = &[("authorization", "Bearer wrong")];
const BASIC: Who = &[("authorization", "Basic YTpi")];
const EMPTY: Who = &[("authorization", "Bearer ")];
const NOBODY: Who = &[];

const POD: &str = "/api/v1/namespaces/default/pods/a";

/// Everyone asks each of these.
const ASKED: &[(&str, &str)] = &[
    ("GET", "/version"),
    ("GET", "/healthz"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api"),
    ("GET", "/apis"),
    ("GET", "/apis/apps/v1"),
    ("GET", "/nowhere"),
    ("POST", "/healthz"),
    ("GET", "/api/v1/pods"),
    ("GET", "/api/v1/pods?watch=true&timeoutSeconds=1"),
    ("GET", "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Da"),
    ("GET", POD),
    ("GET", "/api/v1/namespaces/default/pods/a/log"),
    ("DELETE", POD),
    ("GET", "/api/v1/namespaces/none"),
    ("GET", "/api/v1/nodes/n/status"),
    ("DELETE", "/apis/apps/v1/namespaces/default/deployments"),
    ("GET", "/apis/flagger.app/v1beta1/canaries"),
];

struct Arm<'a>(&'a dyn Fn(&str) -> String);

/// The request of one case, for either arm.
fn request(arm: &Arm, who: Who, method: &str, path: &str) -> http::Request<String> {
    let headers = who.iter().map(|(key, value)| (*key, value.replace("TOKEN", &(arm.0)("token"))));
    let request = http::Request::builder().method(method).uri((arm.0)("url") + path);
    headers.fold(request, |it, (key, value)| it.header(key, value)).body(String::new()).unwrap()
}

async fn ours(server: &Server, request: http::Request<String>) -> (u16, String) {
    let answer = server.guarded_router("own").oneshot(request.map(axum::body::Body::from)).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (code, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn theirs(client: &reqwest::Client, request: http::Request<String>) -> (u16, String) {
    let answer = client.execute(request.try_into().unwrap()).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// What is compared: the code, and whole bodies of refusals at the door; what lies behind it is others' tests.
fn compared((code, body): (u16, String)) -> (u16, Value) {
    let refused = matches!(code, 401 | 403);
    let read = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    (code, if refused { read(body) } else { Value::Null })
}

#[tokio::test]
async fn the_door_answers_as_kube_apiserver_with_rbac_does() {
    let Some(real) = KubeApi::start_with("RBAC") else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    real.ready(&client).await;
    let server = Server::new(Clock::wall(), Seed(1));
    let named = |name: &str, token: &str, url: &str| if name == "token" { token.to_owned() } else { url.to_owned() };
    let (own, other) = (|it: &str| named(it, "own", ""), |it: &str| named(it, KubeApi::TOKEN, &real.url));
    let mut differ = Vec::new();
    let everyone =
        [ADMIN, JANE, NOBODY_AS_JANE, ROBOT, NOBODY_AS_ROBOT, MASTER, GROUP_ONLY, WRONG, BASIC, EMPTY, NOBODY];
    for (who, (method, path)) in everyone.iter().flat_map(|who| ASKED.iter().map(move |asked| (who, asked))) {
        let ours = compared(ours(&server, request(&Arm(&own), who, method, path)).await);
        let theirs = compared(theirs(&client, request(&Arm(&other), who, method, path)).await);
        if ours != theirs {
            differ.push(format!(
                "{who:?} {method} {path}\n  ours   {} {}\n  theirs {} {}",
                ours.0, ours.1, theirs.0, theirs.1
            ));
        }
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), everyone.len() * ASKED.len(), differ.join("\n"));
}
