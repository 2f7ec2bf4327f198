//! Two arms: kube-apiserver and the embedded server, asked the same.

use crate::real::KubeApi;
use axum::body::{Body, to_bytes};
use coalmine::apiserver::Server;
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::Value;
use tower::ServiceExt;

/// One request.
#[derive(Clone)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub media: &'static str,
    pub body: String,
}

/// What counts of an answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub code: u16,
    pub warnings: Vec<String>,
    pub body: Value,
}

/// A request without a body.
pub fn get(path: impl Into<String>) -> Ask {
    Ask { method: "GET", path: path.into(), media: "application/json", body: String::new() }
}

pub fn post(path: impl Into<String>, body: &Value) -> Ask {
    Ask { method: "POST", path: path.into(), media: "application/json", body: body.to_string() }
}

/// The embedded server on the machine's clock; nothing runs its pods.
pub fn ours() -> Server {
    Server::new(Clock::wall(), Seed(1))
}

fn warnings<'a>(headers: impl Iterator<Item = &'a http::HeaderValue>) -> Vec<String> {
    headers.map(|it| it.to_str().unwrap().to_owned()).collect()
}

fn parsed(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

pub async fn ask_ours(server: &Server, ask: &Ask) -> Answer {
    let request = http::Request::builder().method(ask.method).uri(&ask.path).header("user-agent", "arm/1");
    let request = request.header("content-type", ask.media).body(Body::from(ask.body.clone())).unwrap();
    let answer = server.router().oneshot(request).await.unwrap();
    let (code, warnings) = (answer.status().as_u16(), warnings(answer.headers().get_all("warning").iter()));
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    Answer { code, warnings, body: parsed(String::from_utf8(bytes.to_vec()).unwrap()) }
}

/// kube-apiserver, ready, and a client for it.
pub struct Real {
    pub api: KubeApi,
    client: reqwest::Client,
}

impl Real {
    /// None, loudly, where it cannot be had.
    pub async fn start() -> Option<Self> {
        let api = KubeApi::start()?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        api.ready(&client).await;
        Some(Self { api, client })
    }

    pub async fn ask(&self, ask: &Ask) -> Answer {
        let method = ask.method.parse::<reqwest::Method>().unwrap();
        let request = self.client.request(method, format!("{}{}", self.api.url, ask.path));
        let request =
            request.bearer_auth(KubeApi::TOKEN).header("user-agent", "arm/1").header("content-type", ask.media);
        let answer = request.body(ask.body.clone()).send().await.unwrap();
        let (code, warnings) = (answer.status().as_u16(), warnings(answer.headers().get_all("warning").iter()));
        Answer { code, warnings, body: parsed(answer.text().await.unwrap()) }
    }
}
