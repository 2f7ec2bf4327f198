//! A scripted Kubernetes API for unit tests: an axum router that answers in order and remembers what it was asked.

use crate::cluster::Client;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// One answer of the server.
pub(crate) enum Answer {
    Json(u16, Value),
    /// The pieces of a watch's body; it ends after them, or stays open.
    Stream(Vec<&'static str>, End),
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Closed,
    Open,
}

/// What was asked, one line each: method, path with query, content type of what has a body, body.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

pub(crate) fn server(answers: Vec<Answer>) -> (Client, Asked) {
    let asked = Asked::default();
    let (log, answers) = (asked.clone(), Arc::new(Mutex::new(VecDeque::from(answers))));
    let router = Router::new().fallback(move |request: Request| {
        let (log, answers) = (log.clone(), answers.clone());
        async move {
            let line = line(request).await;
            let answer = answers.lock().unwrap().pop_front().unwrap_or_else(|| panic!("nobody expected {line}"));
            log.lock().unwrap().push(line);
            respond(answer)
        }
    });
    (Client::in_process(router), asked)
}

async fn line(request: Request) -> String {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut line = format!("{} {}", parts.method, parts.uri);
    if !body.is_empty() {
        let kind = parts.headers.get("content-type").map_or("", |it| it.to_str().unwrap());
        line = format!("{line} {kind} {}", String::from_utf8_lossy(&body));
    }
    line
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Json(status, body) => Response::builder().status(status).body(Body::from(body.to_string())).unwrap(),
        Answer::Stream(pieces, end) => {
            let pieces =
                stream::iter(pieces.into_iter().map(|it| Ok::<_, std::io::Error>(Bytes::from_static(it.as_bytes()))));
            let rest = stream::once(async move {
                if end == End::Open {
                    std::future::pending::<()>().await;
                }
                Ok(Bytes::new())
            });
            Response::new(Body::from_stream(pieces.chain(rest)))
        }
    }
}

pub(crate) fn status(code: u16, reason: &str, message: &str) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message});
    Answer::Json(code, body)
}

/// A client whose every request fails on its way.
pub(crate) fn unreachable() -> Client {
    let refuse = |_: http::Request<kube::client::Body>| async {
        Err::<Response, _>(std::io::Error::other("connection refused"))
    };
    Client::over(kube::Client::new(tower::service_fn(refuse), "default"))
}
