//! Our HTTP API against that of the real Prometheus: the same requests, the same JSON.

use super::data::{self, BASE_MS};
use super::differential::database;
use super::prometheus::Prometheus;
use crate::real::find;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use coalmine::metrics::api;
use serde_json::Value as Json;
use tower::ServiceExt;

/// A form.
type Parameters = &'static [(&'static str, &'static str)];

/// Path with the parameters of a form; `T` stands for a moment amid the data.
const REQUESTS: &[(&str, Parameters)] = &[
    ("/api/v1/query", &[("query", "sort(temperature)"), ("time", "T")]),
    ("/api/v1/query", &[("query", "special"), ("time", "T")]),
    ("/api/v1/query", &[("query", "vector(1.5e-7)"), ("time", "T")]),
    ("/api/v1/query", &[("query", "1e21"), ("time", "T")]),
    ("/api/v1/query", &[("query", "vector(-1e21)"), ("time", "T")]),
    ("/api/v1/query", &[("query", "-1/0"), ("time", "1.0625")]),
    ("/api/v1/query", &[("query", "'é\\n\"'"), ("time", "T")]),
    ("/api/v1/query", &[("query", "temperature[12s]"), ("time", "T")]),
    ("/api/v1/query", &[("query", "nothing"), ("time", "2026-01-01T00:10:00Z")]),
    ("/api/v1/query", &[("query", "nothing[5m]"), ("time", "T")]),
    ("/api/v1/query", &[("query", "sort_desc(http_requests_total)"), ("time", "T"), ("limit", "0")]),
    ("/api/v1/query", &[("query", "up"), ("time", "noon")]),
    ("/api/v1/query", &[("query", "topk(NaN, up)"), ("time", "T")]),
    ("/api/v1/query", &[("query", "label_replace(up, \"a\", \"\", \"b\", \"(\")"), ("time", "T")]),
    ("/api/v1/query_range", &[("query", "temperature"), ("start", "T"), ("end", "T"), ("step", "5")]),
    ("/api/v1/query_range", &[("query", "gap or 0 * up"), ("start", "1767225600.25"), ("end", "T"), ("step", "1m")]),
    ("/api/v1/query_range", &[("query", "nothing"), ("start", "T"), ("end", "T"), ("step", "5s")]),
    ("/api/v1/query_range", &[("query", "3"), ("start", "T"), ("end", "T"), ("step", "0.5")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "T"), ("end", "0"), ("step", "5")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "T"), ("step", "5")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "T"), ("step", "0")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "T"), ("step", "-5")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "T"), ("step", "five")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "11000"), ("step", "1")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "11001"), ("step", "1")]),
    ("/api/v1/query_range", &[("query", "up[1m]"), ("start", "T"), ("end", "T"), ("step", "5")]),
    ("/api/v1/query_range", &[("query", "'a'"), ("start", "T"), ("end", "T"), ("step", "5")]),
    ("/api/v1/series", &[("match[]", "temperature"), ("match[]", "{room=\"attic\"}"), ("start", "0"), ("end", "T")]),
    ("/api/v1/series", &[("match[]", "nothing"), ("start", "0"), ("end", "T")]),
    ("/api/v1/series", &[("start", "0"), ("end", "T")]),
    ("/api/v1/series", &[("match[]", "up"), ("start", "noon")]),
    ("/api/v1/labels", &[("start", "0"), ("end", "T")]),
    ("/api/v1/labels", &[("match[]", "pod_info"), ("match[]", "up"), ("start", "0"), ("end", "T")]),
];

/// Paths that are read by GET.
const PATHS: &[&str] = &[
    "/api/v1/label/__name__/values",
    "/api/v1/label/room/values",
    "/api/v1/label/status/values?match[]=nginx_ingress_controller_requests",
    "/api/v1/label/nothing/values",
    "/api/v1/rules",
    "/api/v1/alerts",
    "/api/v1/rules?type=neither",
    "/api/v1/targets",
    "/api/v1/metadata",
];

#[tokio::test]
async fn the_api_answers_as_prometheus_does() {
    let Some(program) = find("prometheus") else { return };
    let series = data::all();
    let prometheus = Prometheus::start(program).await.expect("prometheus starts");
    prometheus.write(&series).await;
    let router = api::router(database(&series), || BASE_MS);
    let moment = (BASE_MS / 1000 + 1_500).to_string();
    let mut differences = Vec::new();
    for (path, parameters) in REQUESTS {
        let fill = |(name, value): &(&'static str, &'static str)| (*name, if *value == "T" { &moment } else { *value });
        let parameters: Vec<(&str, &str)> = parameters.iter().map(fill).collect();
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let request = || {
            let request = Request::post(*path).header("Content-Type", "application/x-www-form-urlencoded");
            request.body(form.clone()).expect("the request is good")
        };
        let (ours, theirs) = (ask(&router, request()).await, prometheus.send(request()).await);
        differences.extend(difference(&format!("{path} {form}"), &ours, theirs));
    }
    for path in PATHS {
        let request = || Request::get(*path).body(String::new()).expect("the request is good");
        let (ours, theirs) = (ask(&router, request()).await, prometheus.send(request()).await);
        differences.extend(difference(path, &ours, theirs));
    }
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
}

fn difference(request: &str, ours: &(u16, Json), mut theirs: (u16, Json)) -> Option<String> {
    // Prometheus' remarks on a query that it answered (a counter should end in _total, and the like) are not given here.
    if let Some(answer) = theirs.1.as_object_mut() {
        answer.retain(|key, _| key != "infos" && key != "warnings");
    }
    (*ours != theirs)
        .then(|| format!("{request}\n  ours:   {} {}\n  theirs: {} {}", ours.0, ours.1, theirs.0, theirs.1))
}

async fn ask(router: &axum::Router, request: Request<String>) -> (u16, Json) {
    let answer = router.clone().oneshot(request.map(Body::from)).await.expect("the router never fails");
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 24).await.expect("the body is whole");
    (status, serde_json::from_slice(&body).expect("the answer is JSON"))
}
