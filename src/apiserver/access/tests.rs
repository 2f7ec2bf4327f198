use super::*;
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use axum::body::Body;
use serde_json::{Value, json};
use tower::ServiceExt;

const TOKEN: &str = "s3cret";

/// Sends one request with these headers; gives the code and the body (a text where it is no JSON).
async fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let server = Server::new(Clock::wall(), Seed(1));
    let request =
        headers.iter().fold(::http::Request::builder().method(method).uri(path), |it, (k, v)| it.header(*k, *v));
    let answer = server.guarded_router(TOKEN).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn the_token_opens_everything_and_a_wrong_one_nothing() {
    for good in ["Bearer s3cret", "bearer s3cret", "BEARER s3cret rest"] {
        assert_eq!(ask("GET", "/api/v1/pods", &[("authorization", good)]).await.0, 200, "{good}");
    }
    let refused = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Unauthorized", "reason": "Unauthorized", "code": 401});
    for bad in ["Bearer s3cre", "Bearer s3crets", "Bearer S3CRET", "Bearer x"] {
        for path in ["/api/v1/pods", "/healthz", "/nowhere"] {
            let (code, body) = ask("GET", path, &[("authorization", bad)]).await;
            assert_eq!((code, &body), (401, &refused), "{bad} {path}");
        }
    }
}

#[tokio::test]
async fn who_brings_nothing_is_anonymous_and_sees_version_and_health() {
    for nothing in ["", "Bearer", "Bearer ", "Basic czNjcmV0", "s3cret", "Bearers3cret"] {
        assert_eq!(ask("GET", "/api/v1/pods", &[("authorization", nothing)]).await.0, 403, "{nothing:?}");
    }
    for open in ["/version", "/version/", "/healthz", "/livez", "/readyz"] {
        assert_eq!(ask("GET", open, &[]).await.0, 200, "{open}");
    }
    for shut in ["/", "/api", "/apis", "/openapi/v2", "/healthz/etcd", "/readyz/ping", "/metrics", "/nowhere"] {
        let (code, body) = ask("GET", shut, &[]).await;
        let message = format!("forbidden: User \"system:anonymous\" cannot get path \"{shut}\"");
        let refused = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": "Forbidden", "details": {}, "code": 403});
        assert_eq!((code, body), (403, refused));
    }
}

#[tokio::test]
async fn a_refusal_says_who_could_not_do_what_to_what() {
    let anonymous = "User \"system:anonymous\" cannot";
    let pods = "in API group \"\" in the namespace \"default\"";
    let cases = [
        (
            "GET",
            "/api/v1/namespaces/default/pods",
            format!("pods is forbidden: {anonymous} list resource \"pods\" {pods}"),
        ),
        ("HEAD", "/api/v1/namespaces/default/pods/a", String::new()),
        (
            "GET",
            "/api/v1/namespaces/default/pods/a",
            format!("pods \"a\" is forbidden: {anonymous} get resource \"pods\" {pods}"),
        ),
        (
            "GET",
            "/api/v1/namespaces/default/pods/a/log",
            format!("pods \"a\" is forbidden: {anonymous} get resource \"pods/log\" {pods}"),
        ),
        (
            "GET",
            "/api/v1/namespaces/default/pods?watch=true",
            format!("pods is forbidden: {anonymous} watch resource \"pods\" {pods}"),
        ),
        (
            "GET",
            "/api/v1/namespaces/default/pods?fieldSelector=metadata.name%3Da",
            format!("pods \"a\" is forbidden: {anonymous} list resource \"pods\" {pods}"),
        ),
        (
            "POST",
            "/apis/apps/v1/namespaces/x/deployments",
            format!(
                "deployments.apps is forbidden: {anonymous} create resource \"deployments\" in API group \"apps\" in \
                the namespace \"x\""
            ),
        ),
        (
            "DELETE",
            "/apis/apps/v1/deployments",
            format!(
                "deployments.apps is forbidden: {anonymous} deletecollection resource \"deployments\" in API group \
                \"apps\" at the cluster scope"
            ),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/x",
            format!(
                "namespaces \"x\" is forbidden: {anonymous} patch resource \"namespaces\" in API group \"\" in the \
                namespace \"x\""
            ),
        ),
        (
            "PUT",
            "/api/v1/nodes/n/status",
            format!(
                "nodes \"n\" is forbidden: {anonymous} update resource \"nodes/status\" in API group \"\" at the cluster scope"
            ),
        ),
        ("POST", "/api", format!("forbidden: {anonymous} post path \"/api\"")),
    ];
    for (method, path, message) in cases {
        let (code, body) = ask(method, path, &[]).await;
        assert_eq!(code, 403);
        if method != "HEAD" {
            assert_eq!(body["message"], json!(message), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_administrator_may_be_somebody_else_and_nobody_else_may() {
    let admin = ("authorization", "Bearer s3cret");
    let (code, body) = ask("GET", "/api/v1/pods", &[admin, ("impersonate-user", "jane")]).await;
    let why = "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    assert_eq!((code, &body["message"]), (403, &json!(why)));
    assert_eq!(ask("GET", "/apis", &[admin, ("impersonate-user", "jane")]).await.0, 200, "discovery");
    assert_eq!(ask("GET", "/apis", &[admin, ("impersonate-user", "system:anonymous")]).await.0, 403);
    let masters = ("impersonate-group", "system:masters");
    assert_eq!(ask("GET", "/api/v1/pods", &[admin, ("impersonate-user", "jane"), masters]).await.0, 200);
    let (code, body) = ask("GET", "/version", &[("impersonate-user", "jane")]).await;
    let why = "users \"jane\" is forbidden: User \"system:anonymous\" cannot impersonate resource \"users\" in API group \
        \"\" at the cluster scope";
    assert_eq!((code, &body["message"]), (403, &json!(why)));
    let account = ("impersonate-user", "system:serviceaccount:test:robot");
    let (_, body) = ask("GET", "/version", &[account]).await;
    let why = "serviceaccounts \"robot\" is forbidden: User \"system:anonymous\" cannot impersonate resource \
        \"serviceaccounts\" in API group \"\" in the namespace \"test\"";
    assert_eq!(body["message"], json!(why));
    assert_eq!(ask("GET", "/api/v1/pods", &[admin, masters]).await.0, 500, "a group without a user");
}
