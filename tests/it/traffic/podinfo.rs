//! The demo app held against the real podinfo: the same requests, the same answers and metrics.

use super::program::{self, Answer, comparable};
use crate::real::{find, free_port};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use coalmine::traffic::demo::{DemoApp, DemoSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Method, path, headers, body.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

#[rustfmt::skip]
const CASES: [Case; 46] = [
    ("GET", "/", &[], ""),
    ("GET", "/version", &[], ""),
    ("GET", "/api/info", &[], ""),
    ("GET", "/healthz", &[], ""),
    ("GET", "/readyz", &[], ""),
    ("POST", "/readyz/disable", &[], ""),
    ("GET", "/readyz", &[], ""),
    ("POST", "/readyz/enable", &[], ""),
    ("GET", "/readyz", &[], ""),
    ("GET", "/readyz/enable", &[], ""),
    ("GET", "/headers", &[("X-User", "a"), ("x-user", "b"), ("x-html", "<&>")], ""),
    ("GET", "/status/200", &[], ""),
    ("GET", "/status/204", &[], ""),
    ("GET", "/status/404", &[], ""),
    ("PUT", "/status/503", &[], ""),
    ("GET", "/status/999", &[], ""),
    ("GET", "/status/0", &[], ""),
    ("GET", "/status/1000", &[], ""),
    ("GET", "/status/99999999999999999999", &[], ""),
    ("GET", "/status/x", &[], ""),
    ("DELETE", "/status/200", &[], ""),
    ("GET", "/delay/0", &[], ""),
    ("GET", "/delay/x", &[], ""),
    ("GET", "/chunked/0", &[], ""),
    ("GET", "/chunked", &[], ""),
    ("POST", "/echo", &[], "hello"),
    ("GET", "/echo/x/y", &[], ""),
    ("PUT", "/api/echo", &[], "{\"a\": 1}"),
    ("GET", "/ws/echo", &[], ""),
    ("POST", "/store", &[], "hello"),
    ("GET", "/store/aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", &[], ""),
    ("GET", "/store/none", &[], ""),
    ("GET", "/store/", &[], ""),
    ("GET", "/cache/k", &[], ""),
    ("POST", "/cache/k", &[], "v"),
    ("DELETE", "/cache/k", &[], ""),
    ("PATCH", "/cache/k", &[], ""),
    ("GET", "/configs", &[], ""),
    ("POST", "/token", &[], "tester"),
    ("GET", "/token", &[], ""),
    ("GET", "/token/validate", &[], ""),
    ("GET", "/token/validate", &[("authorization", "Basic x")], ""),
    ("GET", "/token/validate", &[("authorization", "Bearer a.b")], ""),
    ("GET", "/nope", &[], ""),
    ("POST", "/version", &[], ""),
    ("OPTIONS", "/", &[], ""),
];

async fn ours(app: &DemoApp, port: u16, case: &Case) -> Option<Answer> {
    let (method, path, headers, body) = case;
    let builder =
        http::Request::builder().method(*method).uri(*path).header("host", "app.test").header("connection", "close");
    let builder = builder.header("content-length", body.len());
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    let response = app.handle(port, builder.body((*body).into()).unwrap()).await.ok()?;
    let headers = response.headers().iter().filter(|(name, _)| comparable(name.as_str()));
    Some(Answer {
        status: response.status().as_u16(),
        headers: headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect(),
        body: String::from_utf8(response.body().to_vec()).unwrap(),
    })
}

/// Takes out what differs by nature, and keeps that it is there.
fn normal(answer: Option<Answer>) -> Option<Answer> {
    let mut answer = answer?;
    if let Ok(Value::Object(mut object)) = serde_json::from_str(&answer.body) {
        for key in ["hostname", "goarch", "runtime", "num_goroutine", "num_cpu", "token", "expires_at"] {
            if let Some(value) = object.get_mut(key).and_then(|value| value.as_str().map(str::to_owned)) {
                // Only the value goes: the text around it, with its indent and escapes, is compared.
                object.remove(key);
                answer.body = answer.body.replace(&format!("\"{key}\": \"{value}\""), &format!("\"{key}\": \"…\""));
            }
        }
    }
    // Go finds an empty body to have no type; neither does an answer here carry one.
    if answer.body.is_empty() {
        answer.headers.remove("content-type");
    }
    Some(answer)
}

#[tokio::test]
async fn every_answer_is_podinfos() {
    let Some(program) = find("podinfo") else { return };
    let data = tempfile::tempdir().unwrap();
    let (port, metrics_port) = (free_port(), free_port());
    let args = |port: u16, metrics_port: u16, data: &str| {
        let text = [
            format!("--port={port}"),
            format!("--port-metrics={metrics_port}"),
            "--level=panic".to_owned(),
            format!("--data-path={data}"),
            "--ui-message=a <b> & c".to_owned(),
        ];
        text.to_vec()
    };
    let theirs = program::start(&program, &args(port, metrics_port, data.path().to_str().unwrap()), port).await;
    let spec = DemoSpec {
        version: "6.9.2".to_owned(),
        args: args(9898, 9797, "/data"),
        pod: "podinfo-1".to_owned(),
        ..DemoSpec::default()
    };
    let app = DemoApp::start(spec, Clock::wall(), Seed(1).stream("demo")).unwrap();
    let mut different = Vec::new();
    for case in &CASES {
        let (method, path, headers, body) = case;
        let expected = normal(program::send(theirs.port, method, path, headers, body).await);
        let answered = normal(ours(&app, 9898, case).await);
        if answered != expected {
            different.push(format!("{case:?}\n     ours: {answered:?}\n  podinfo: {expected:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    for path in ["/healthz", "/nope"] {
        let expected = normal(program::send(metrics_port, "GET", path, &[], "").await);
        assert_eq!(normal(ours(&app, 9797, &("GET", path, &[], "")).await), expected, "metrics port {path}");
    }
    let expected = program::send(metrics_port, "GET", "/metrics", &[], "").await.unwrap();
    let exposed = ours(&app, 9797, &("GET", "/metrics", &[], "")).await.unwrap();
    let (ours, theirs) = (families(&exposed.body), families(&expected.body));
    let of_http: BTreeMap<_, _> = theirs.iter().filter(|(name, _)| name.starts_with("http_")).collect();
    assert_eq!(ours.iter().filter(|(name, _)| name.starts_with("http_")).collect::<BTreeMap<_, _>>(), of_http);
    let only_ours: Vec<_> = ours.keys().filter(|name| !theirs.contains_key(*name)).collect();
    assert!(only_ours.is_empty(), "podinfo has no {only_ours:?}");
}

/// Help and type lines and every series with its labels, without values but for counts.
fn families(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut families = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text.lines() {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        let name = name.split([' ', '{']).next().unwrap().to_owned();
        let is_count = name.ends_with("_count") || name == "http_requests_total" || line.starts_with('#');
        let kept = if is_count { line } else { line.rsplit_once(' ').unwrap().0 };
        families.entry(name).or_default().insert(kept.to_owned());
    }
    families
}

#[tokio::test]
async fn what_podinfo_refuses_to_start_with_is_refused_alike() {
    let Some(program) = find("podinfo") else { return };
    for args in [
        &["--nope"][..],
        &["-x"],
        &["--=1"],
        &["--port"],
        &["--port", "x"],
        &["--port=99999999999999999999"],
        &["--random-error=maybe"],
        &["--http-server-timeout", "5"],
        &["--http-server-timeout", "5 parsecs"],
        &["--http-server-timeout", "soon"],
        &["--random-delay-unit", "h"],
        &["--random-delay-min", "9"],
        &["--random-delay-max", "0x"],
        &["--version"],
        &["-v"],
        &["--help"],
    ] {
        let output = std::process::Command::new(&program).args(args).output().unwrap();
        let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let text = String::from_utf8_lossy(text).into_owned();
        let line = text.lines().find(|line| line.starts_with("Error: ") || line.starts_with("panic: "));
        let line = line.or_else(|| text.lines().next()).unwrap_or_default();
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let spec = DemoSpec { version: "6.9.2".to_owned(), args: args.clone(), ..DemoSpec::default() };
        let refused = DemoApp::start(spec, Clock::wall(), Seed(1).stream("demo")).unwrap_err();
        assert_eq!((refused.exit_code, refused.message.as_str()), (output.status.code().unwrap(), line), "{args:?}");
    }
}
