//! The requests that the Prometheus data source of Grafana 12 and 13 sends, written from its documentation and from what
//! its Prometheus client is known to send: to us and to the real Prometheus, for the same answers.
//!
//! Queries go as POST forms (the data source's default method), with times as seconds with three decimals; lists go as
//! GET or POST by the version that the server says it has, which Grafana takes from buildinfo.

use super::api::{ask, comparable};
use super::data::{self, BASE_MS};
use super::differential::database;
use super::prometheus::Prometheus;
use crate::real::find;
use axum::http::{Method, Request};
use coalmine::metrics::api;

/// What is sent: method, path, parameters. `T0` and `T1` stand for a dashboard's span.
type Sent = (Method, &'static str, &'static [(&'static str, &'static str)]);

const SENT: &[(&str, Sent)] = &[
    ("Save & test", (Method::POST, "/api/v1/query", &[("query", "1+1"), ("time", "T1")])),
    ("Save & test by GET", (Method::GET, "/api/v1/query", &[("query", "1+1"), ("time", "T1")])),
    ("which rules are there", (Method::GET, "/api/v1/rules", &[])),
    ("is there a ruler", (Method::GET, "/api/v1/rules", &[("type", "alert")])),
    ("alerts", (Method::GET, "/api/v1/alerts", &[])),
    ("metrics browser: names", (Method::GET, "/api/v1/label/__name__/values", &[("start", "T0"), ("end", "T1")])),
    ("metrics browser: labels", (Method::GET, "/api/v1/labels", &[("start", "T0"), ("end", "T1"), ("limit", "40000")])),
    (
        "labels of a metric",
        (
            Method::POST,
            "/api/v1/labels",
            &[("start", "T0"), ("end", "T1"), ("match[]", "{__name__=\"temperature\"}"), ("limit", "40000")],
        ),
    ),
    (
        "values of a label",
        (
            Method::GET,
            "/api/v1/label/room/values",
            &[("start", "T0"), ("end", "T1"), ("match[]", "{__name__=\"temperature\",room!=\"\"}"), ("limit", "40000")],
        ),
    ),
    (
        "label_values() of a variable",
        (
            Method::GET,
            "/api/v1/label/status/values",
            &[
                ("match[]", "nginx_ingress_controller_requests{namespace=~\".+\"}"),
                ("start", "1767225600"),
                ("end", "1767227100"),
            ],
        ),
    ),
    (
        "series of a variable",
        (
            Method::POST,
            "/api/v1/series",
            &[("match[]", "sparse{}"), ("start", "T0"), ("end", "T1"), ("limit", "40000")],
        ),
    ),
    ("help of metrics", (Method::GET, "/api/v1/metadata", &[("limit", "40000")])),
    ("help of one metric", (Method::GET, "/api/v1/metadata", &[("metric", "temperature"), ("limit", "40000")])),
    (
        "a graph",
        (
            Method::POST,
            "/api/v1/query_range",
            &[
                ("query", "sum by (status) (rate(nginx_ingress_controller_requests{namespace=\"test\"}[1m0s]))"),
                ("start", "T0"),
                ("end", "T1"),
                ("step", "15"),
            ],
        ),
    ),
    (
        "a graph with fine steps",
        (
            Method::POST,
            "/api/v1/query_range",
            &[("query", "temperature"), ("start", "T0"), ("end", "T0+60"), ("step", "0.5")],
        ),
    ),
    (
        "a graph with a remark",
        (
            Method::POST,
            "/api/v1/query_range",
            &[("query", "rate(temperature[5m])"), ("start", "T0"), ("end", "T1"), ("step", "60")],
        ),
    ),
    (
        "a heat map",
        (
            Method::POST,
            "/api/v1/query_range",
            &[
                ("query", "sum(increase(http_request_duration_seconds_bucket[1m])) by (le)"),
                ("start", "T0"),
                ("end", "T1"),
                ("step", "60"),
            ],
        ),
    ),
    ("a table", (Method::POST, "/api/v1/query", &[("query", "sort_desc(temperature)"), ("time", "T1")])),
    (
        "a query that is wrong",
        (
            Method::POST,
            "/api/v1/query_range",
            &[("query", "sum(rate(temperature[$__rate_interval]))"), ("start", "T0"), ("end", "T1"), ("step", "15")],
        ),
    ),
    (
        "a query with too many points",
        (Method::POST, "/api/v1/query_range", &[("query", "up"), ("start", "0"), ("end", "T1"), ("step", "15")]),
    ),
    (
        "exemplars of a graph",
        (
            Method::GET,
            "/api/v1/query_exemplars",
            &[("query", "http_request_duration_seconds_bucket"), ("start", "T0"), ("end", "T1")],
        ),
    ),
    ("Explain", (Method::POST, "/api/v1/parse_query", &[("query", "sum by (job) (rate(up[5m]))")])),
    ("Format query", (Method::GET, "/api/v1/format_query", &[("query", "sum(rate(up[5m]))by(job)")])),
    ("Drilldown: targets", (Method::GET, "/api/v1/targets", &[("state", "active")])),
    ("Drilldown: scrape pools", (Method::GET, "/api/v1/scrape_pools", &[])),
];

fn request((method, path, parameters): &Sent) -> Request<String> {
    let second = BASE_MS / 1000;
    let fill = |(name, value): &(&'static str, &'static str)| {
        let value = match *value {
            "T0" => format!("{}.250", second + 300),
            "T0+60" => format!("{}.250", second + 360),
            "T1" => format!("{}.250", second + 1_500),
            other => other.to_owned(),
        };
        (*name, value)
    };
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters.iter().map(fill)).finish();
    let request = Request::builder()
        .method(method)
        .header("User-Agent", "Grafana/12.2.0")
        .header("X-Grafana-Org-Id", "1")
        .header("X-Datasource-Uid", "coalmine")
        .header("X-Dashboard-Uid", "abc")
        .header("X-Panel-Id", "4")
        .header("X-Query-Group-Id", "9b1f")
        .header("X-Grafana-Request-Id", "explore_7")
        .header("Accept", "application/json, text/plain, */*");
    let request = match *method {
        Method::POST => request.uri(*path).header("Content-Type", "application/x-www-form-urlencoded").body(form),
        _ => request.uri(format!("{path}?{form}")).body(String::new()),
    };
    request.expect("the request is good")
}

#[tokio::test]
async fn grafana_gets_what_it_gets_from_prometheus() {
    let Some(program) = find("prometheus") else { return };
    let series = data::all();
    let prometheus = Prometheus::start(program).await.expect("prometheus starts");
    prometheus.write(&series).await;
    let router = api::router(database(&series), || BASE_MS);
    let mut differences = Vec::new();
    for (what, sent) in SENT {
        let ours = comparable(ask(&router, request(sent)).await);
        let theirs = comparable(prometheus.send(request(sent)).await);
        if ours != theirs {
            differences.push(format!("{what}\n  ours:   {} {}\n  theirs: {} {}", ours.0, ours.1, theirs.0, theirs.1));
        }
    }
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
}

/// Grafana chooses what it sends by this version, and shows no more than these fields.
#[tokio::test]
async fn what_describes_the_server_has_the_same_fields() {
    let Some(program) = find("prometheus") else { return };
    let prometheus = Prometheus::start(program).await.expect("prometheus starts");
    let router = api::router(coalmine::metrics::Database::default(), || BASE_MS);
    for path in ["buildinfo", "runtimeinfo", "config", "tsdb", "tsdb/blocks", "walreplay"] {
        let sent = || Request::get(format!("/api/v1/status/{path}")).body(String::new()).expect("the request is good");
        let (ours, theirs) = (ask(&router, sent()).await, prometheus.send(sent()).await);
        let fields = |answer: &serde_json::Value| {
            let fields = answer["data"].as_object().expect("an object").iter();
            let kind = |value: &serde_json::Value| std::mem::discriminant(value);
            let mut fields: Vec<_> = fields.map(|(name, value)| (name.clone(), kind(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields
        };
        assert_eq!((ours.0, fields(&ours.1)), (theirs.0, fields(&theirs.1)), "{path}");
        if path == "buildinfo" {
            assert_eq!(ours.1["data"]["version"], theirs.1["data"]["version"]);
        }
    }
}
