//! Our HTTP API against that of the real Prometheus: the same requests, the same JSON.

use super::data::{self, BASE_MS};
use super::differential::database;
use super::prometheus::{Prometheus, read};
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
    ("/api/v1/query", &[("query", "'é\n\"'"), ("time", "T")]),
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
    ("/api/v1/query", &[("query", "rate(temperature[1m])"), ("time", "T")]),
    ("/api/v1/query", &[("query", "rate(temperature[1m]) + increase(gap[5m])"), ("time", "T")]),
    ("/api/v1/query", &[("query", "sum(rate(http_requests_total[1m]))"), ("time", "T")]),
    ("/api/v1/query", &[("query", "quantile(2, temperature)"), ("time", "T")]),
    ("/api/v1/query", &[("query", "quantile_over_time(-1,\n  temperature[1m])"), ("time", "T")]),
    ("/api/v1/query", &[("query", "sum(histogram_quantile(1.5, odd_bucket))"), ("time", "T")]),
    ("/api/v1/query", &[("query", "histogram_quantile(0.9, temperature)"), ("time", "T")]),
    ("/api/v1/query", &[("query", "sum(histogram_quantile(0.9, odd_bucket))"), ("time", "T")]),
    (
        "/api/v1/query_range",
        &[("query", "histogram_quantile(0.9, odd_bucket)"), ("start", "T"), ("end", "T"), ("step", "60")],
    ),
    ("/api/v1/query_range", &[("query", "sort(temperature)"), ("start", "1767226600"), ("end", "T"), ("step", "60")]),
    ("/api/v1/query", &[("query", "sort(temperature)"), ("time", "T"), ("limit", "2")]),
    ("/api/v1/query", &[("query", "temperature"), ("time", "T"), ("limit", "-1")]),
    ("/api/v1/query", &[("query", "temperature"), ("time", "T"), ("limit", "few")]),
    (
        "/api/v1/query_range",
        &[("query", "temperature"), ("start", "1767226600"), ("end", "T"), ("step", "60"), ("limit", "1")],
    ),
    ("/api/v1/query", &[("query", "sort(temperature)"), ("time", "T"), ("stats", "true")]),
    ("/api/v1/query", &[("query", "sum(rate(http_requests_total[1m]))"), ("time", "T"), ("stats", "all")]),
    ("/api/v1/query", &[("query", "temperature[1m]"), ("time", "T"), ("stats", "yes")]),
    (
        "/api/v1/query_range",
        &[
            ("query", "sum(rate(http_requests_total[1m]))"),
            ("start", "1767226600"),
            ("end", "T"),
            ("step", "15"),
            ("stats", "1"),
        ],
    ),
    ("/api/v1/query", &[("query", "sparse"), ("time", "T"), ("lookback_delta", "1s")]),
    ("/api/v1/query", &[("query", "sparse"), ("time", "T"), ("lookback_delta", "1h")]),
    ("/api/v1/query", &[("query", "sparse"), ("time", "T"), ("lookback_delta", "far")]),
    ("/api/v1/query", &[("query", "sparse"), ("time", "T"), ("timeout", "soon")]),
    ("/api/v1/query", &[("query", "sparse"), ("time", "T"), ("timeout", "1e300")]),
    ("/api/v1/query", &[("query", "sum(sparse"), ("time", "T")]),
    ("/api/v1/query", &[("query", "sum by (x) (sparse) y"), ("time", "T")]),
    ("/api/v1/query", &[("query", ""), ("time", "T")]),
    ("/api/v1/query", &[]),
    ("/api/v1/query_range", &[("query", "x y"), ("start", "T"), ("end", "T"), ("step", "5")]),
    ("/api/v1/query_range", &[("query", "up"), ("start", ""), ("end", "T"), ("step", "5")]),
    ("/api/v1/query_exemplars", &[("query", "up"), ("start", "0"), ("end", "T")]),
    ("/api/v1/query_exemplars", &[("query", "1 + 1"), ("start", "0"), ("end", "T")]),
    ("/api/v1/query_exemplars", &[("query", "up +"), ("start", "0"), ("end", "T")]),
    ("/api/v1/query_exemplars", &[("query", "up"), ("start", "T"), ("end", "0")]),
    ("/api/v1/format_query", &[("query", "sum(up)by(job)")]),
    ("/api/v1/parse_query", &[("query", "up[5m")]),
    ("/api/v1/series", &[("match[]", "single"), ("match[]", "gap"), ("start", "0"), ("end", "T"), ("limit", "1")]),
    ("/api/v1/series", &[("match[]", "{room=~\".*\"}"), ("start", "0"), ("end", "T")]),
    ("/api/v1/series", &[("match[]", "{room="), ("start", "0"), ("end", "T")]),
    ("/api/v1/series", &[("match[]", "rate(up[1m])"), ("start", "0"), ("end", "T")]),
    ("/api/v1/labels", &[("match[]", "up{"), ("start", "0"), ("end", "T")]),
    ("/api/v1/labels", &[("match[]", "{a=\"\"}"), ("start", "0"), ("end", "T")]),
    ("/api/v1/labels", &[("start", "0"), ("end", "T"), ("limit", "2")]),
    ("/api/v1/labels", &[("start", "T"), ("end", "later")]),
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
    "/api/v1/label/room/values?limit=3",
    "/api/v1/label/room/values?match[]=temperature&start=1767226600&end=1767226700",
    "/api/v1/label/room/values?match[]=up&match[]=setpoint",
    "/api/v1/label/room/values?match[]=x%7B",
    "/api/v1/label/U__room/values",
    "/api/v1/labels?start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z",
    "/api/v1/rules?type=neither",
    "/api/v1/rules?exclude_alerts=maybe",
    "/api/v1/rules?exclude_alerts=true&group_limit=5",
    "/api/v1/rules?group_limit=0",
    "/api/v1/rules?group_limit=-1",
    "/api/v1/rules?group_limit=few",
    "/api/v1/rules?group_next_token=abc",
    "/api/v1/rules?group_limit=1&group_next_token=abc",
    "/api/v1/rules?match[]=%7Ba%3D%22%22%7D",
    "/api/v1/targets",
    "/api/v1/targets?state=active",
    "/api/v1/targets?state=dropped",
    "/api/v1/targets?state=any&scrapePool=none",
    "/api/v1/targets/metadata",
    "/api/v1/targets/metadata?limit=x",
    "/api/v1/targets/metadata?match_target=%7Ba=",
    "/api/v1/scrape_pools",
    "/api/v1/metadata",
    "/api/v1/metadata?limit=x",
    "/api/v1/metadata?limit_per_metric=x",
    "/api/v1/metadata?metric=up&limit=10",
    "/api/v1/alertmanagers",
    "/api/v1/notifications",
    "/api/v1/status/tsdb?limit=0",
    "/api/v1/status/tsdb?limit=x",
    "/api/v1/status/tsdb?limit=10001",
    "/api/v1/nothing",
    "/-/ready",
    "/-/healthy",
    "/-/reload",
    "/-/quit",
    "/federate?match[]=x%7B",
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
        differences.extend(difference(&format!("{path} {form}"), ours, theirs));
    }
    for path in PATHS {
        let request = || Request::get(*path).body(String::new()).expect("the request is good");
        let (ours, theirs) = (ask(&router, request()).await, prometheus.send(request()).await);
        differences.extend(difference(path, ours, theirs));
    }
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
}

fn difference(request: &str, ours: (u16, Json), theirs: (u16, Json)) -> Option<String> {
    let (ours, theirs) = (comparable(ours), comparable(theirs));
    (ours != theirs).then(|| format!("{request}\n  ours:   {} {}\n  theirs: {} {}", ours.0, ours.1, theirs.0, theirs.1))
}

/// Remarks have no order in Prometheus; how long a query took, and what it held at once, is the engine's own.
pub fn comparable((status, mut answer): (u16, Json)) -> (u16, Json) {
    for remarks in ["warnings", "infos"] {
        if let Some(remarks) = answer.get_mut(remarks).and_then(Json::as_array_mut) {
            remarks.sort_by_key(Json::to_string);
        }
    }
    if let Some(stats) = answer.pointer_mut("/data/stats").and_then(Json::as_object_mut) {
        stats.remove("timings");
        stats["samples"]["peakSamples"] = Json::Null;
    }
    (status, answer)
}

pub async fn ask(router: &axum::Router, request: Request<String>) -> (u16, Json) {
    let answer = router.clone().oneshot(request.map(Body::from)).await.expect("the router never fails");
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 24).await.expect("the body is whole");
    (status, read(&String::from_utf8_lossy(&body)))
}
