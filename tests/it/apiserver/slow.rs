//! Bodies that come slowly, not to their end, or without one.

use super::support::{paused, server};
use axum::body::{Body, Bytes, to_bytes};
use coalmine::apiserver::Server;
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt;

type Piece = io::Result<Bytes>;

/// A byte now, and nothing after it.
fn stalled() -> impl Stream<Item = Piece> + Send {
    stream::iter([Ok(Bytes::from_static(b"{"))]).chain(stream::pending())
}

/// A byte each second, for ever.
fn trickling() -> impl Stream<Item = Piece> + Send {
    stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok(Bytes::from_static(b" ")), ()))
    })
}

/// More than a body may have.
fn endless() -> impl Stream<Item = Piece> + Send {
    stream::repeat_with(|| Ok(Bytes::from_static(&[b' '; 1 << 13])))
}

fn failing(kind: io::ErrorKind) -> impl Stream<Item = Piece> + Send {
    stream::iter([Ok(Bytes::from_static(b"{")), Err(io::Error::new(kind, "the wire was cut"))])
}

/// Code, message, and after how many seconds.
async fn post(server: &Server, query: &str, body: impl Stream<Item = Piece> + Send + 'static) -> (u16, String, u64) {
    let request = http::Request::post(format!("/api/v1/namespaces/default/configmaps?{query}"));
    let request = request.header("content-type", "application/json").body(Body::from_stream(body)).unwrap();
    let began = Instant::now();
    let answer = server.router().oneshot(request).await.unwrap();
    let after = began.elapsed().as_secs();
    let code = answer.status().as_u16();
    let status: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap();
    assert_eq!((&status["status"], &status["code"]), (&json!("Failure"), &json!(code)));
    (code, status["message"].as_str().unwrap().to_owned(), after)
}

#[test]
fn a_body_is_waited_for_as_long_as_a_request_may_take() {
    let late = "Timeout: request did not complete within the allotted timeout";
    for (query, after) in
        [("", 60), ("timeout=2s", 2), ("timeout=90s", 60), ("timeout=0s", 60), ("timeout=-5s", 60), ("timeout=1m", 60)]
    {
        paused(async move {
            let server = server();
            let expected = (504, late.to_owned(), after);
            assert_eq!(post(&server, query, stalled()).await, expected, "stalled, {query}");
            assert_eq!(post(&server, query, trickling()).await, expected, "trickling, {query}");
        });
    }
}

#[test]
fn a_body_that_does_not_end_well_says_why() {
    let cases = [
        ("timeout=abc", 400, "invalid timeout specified in the request URL - time: invalid duration \"abc\""),
        ("timeout=1", 400, "invalid timeout specified in the request URL - time: missing unit in duration \"1\""),
    ];
    paused(async move {
        let server = server();
        for (query, code, message) in cases {
            assert_eq!(post(&server, query, stalled()).await, (code, message.to_owned(), 0));
        }
        let large = "Request entity too large: limit is 3145728".to_owned();
        assert_eq!(post(&server, "", endless()).await, (413, large, 0));
        let late = "Timeout: request did not complete within the allotted timeout".to_owned();
        assert_eq!(post(&server, "", failing(io::ErrorKind::TimedOut)).await, (504, late, 0));
        let cut = "unexpected EOF".to_owned();
        assert_eq!(post(&server, "", failing(io::ErrorKind::UnexpectedEof)).await, (500, cut, 0));
        let other = "the wire was cut".to_owned();
        assert_eq!(post(&server, "", failing(io::ErrorKind::InvalidData)).await, (500, other, 0));
    });
}
