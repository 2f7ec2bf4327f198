//! The load tester held against Flagger's: the same webhooks, the same answers.

use super::program;
use crate::real::{find, free_port};
use coalmine::sys::clock::Clock;
use coalmine::sys::http::{Http, HttpError, Request, Response};
use coalmine::traffic::loadtester::{LoadTester, LoadTesterSpec};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// A cluster in which nobody listens.
struct Nobody;

impl Http for Nobody {
    fn send(&self, request: Request, _: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let address = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        Box::pin(async move { Err(HttpError::Refused { address }) })
    }
}

fn task(metadata: &str) -> String {
    format!(
        r#"{{"name": "podinfo", "namespace": "test", "phase": "Progressing", "checksum": "1", "metadata": {metadata}}}"#
    )
}

fn cases() -> Vec<(&'static str, &'static str, String)> {
    let canary = r#"{"name": "podinfo", "namespace": "test", "phase": "Progressing"}"#;
    let elsewhere = r#"{"name": "podinfo", "namespace": "other"}"#;
    let mut cases = vec![
        ("GET", "/healthz", String::new()),
        ("GET", "/gate/approve", String::new()),
        ("POST", "/gate/halt", String::new()),
    ];
    for path in [
        "/gate/check",
        "/gate/open",
        "/gate/check",
        "/rollback/check",
        "/rollback/open",
        "/gate/close",
        "/gate/check",
        "/rollback/check",
        "/rollback/close",
        "/rollback/check",
        "/",
        "/other/path",
        "/gate/unknown",
    ] {
        cases.push(("POST", path, canary.to_owned()));
    }
    for body in [
        "",
        "{",
        "[]",
        "7",
        "{}",
        r#"{"metadata": {"cmd": 7}}"#,
        r#"{"name": 7}"#,
        r#"{"metadata": null}"#,
        "null",
        elsewhere,
    ] {
        cases.push(("POST", "/gate/check", body.to_owned()));
        cases.push(("POST", "/", body.to_owned()));
    }
    for metadata in [
        r#"{"type": "cmd"}"#,
        r#"{"cmd": "true"}"#,
        r#"{"type": "nope"}"#,
        r#"{"type": "ngrinder"}"#,
        r#"{"type": "bash", "cmd": "curl -s http://127.0.0.1:1/"}"#,
        r#"{"type": "bash", "cmd": "curl -s http://127.0.0.1:1/ | grep x"}"#,
        r#"{"type": "helm", "cmd": "version"}"#,
        "{}",
    ] {
        cases.push(("POST", "/", task(metadata)));
    }
    cases
}

#[tokio::test]
async fn every_answer_is_the_real_load_testers() {
    let Some(program) = find("loadtester") else { return };
    let port = free_port();
    let args = |port: u16| {
        vec![format!("-port={port}"), "-log-level=error".to_owned(), "-namespace-regexp=^(test|)$".to_owned()]
    };
    let theirs = program::start(&program, &args(port), port).await;
    let spec = LoadTesterSpec { args: args(8080), pod: "loadtester-1".to_owned(), ..LoadTesterSpec::default() };
    let tester = LoadTester::start(spec, Arc::new(Nobody), Clock::wall()).unwrap();
    for (method, path, body) in cases() {
        let expected =
            program::send(theirs.port, method, path, &[], &body).await.map(|answer| (answer.status, answer.body));
        let request = http::Request::builder().method(method).uri(path).body(body.clone().into()).unwrap();
        let answered = tester.handle(8080, request).await.ok();
        let answered = answered.map(|it| (it.status().as_u16(), String::from_utf8(it.body().to_vec()).unwrap()));
        assert_eq!(answered, expected, "{method} {path} {body}: ours, then Flagger's");
    }
}
