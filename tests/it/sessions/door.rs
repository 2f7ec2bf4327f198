//! A door in front of a Kubernetes API: it writes down who comes, can be shut, and can answer in the API's place.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use coalmine::cluster::Client;
use futures_util::StreamExt;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tower::ServiceExt;

type Instead = Box<dyn Fn(&Request) -> Option<Response> + Send + Sync>;

/// Cheap to clone; clones are one door.
#[derive(Clone)]
pub struct Door {
    inner: Arc<Inner>,
}

struct Inner {
    open: watch::Sender<bool>,
    asked: Mutex<Vec<String>>,
    instead: Mutex<Option<Instead>>,
}

impl Door {
    pub fn new() -> Self {
        let inner = Inner { open: watch::channel(true).0, asked: Mutex::default(), instead: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Nobody gets an answer any more, and answers that are under way are cut off.
    pub fn shut(&self) {
        self.inner.open.send_replace(false);
    }

    pub fn open(&self) {
        self.inner.open.send_replace(true);
    }

    /// Answers in the API's place wherever `answer` gives something.
    pub fn instead(&self, answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static) {
        *self.inner.instead.lock().unwrap() = Some(Box::new(answer));
    }

    /// Method and path with query of every request so far.
    pub fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// A client that comes through this door.
    pub fn client(&self, api: Router) -> Client {
        let door = self.clone();
        Client::in_process(Router::new().fallback(move |request: Request| {
            let (door, api) = (door.clone(), api.clone());
            async move { door.pass(api, request).await }
        }))
    }

    async fn pass(&self, api: Router, request: Request) -> Response {
        self.inner.asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        if !*self.inner.open.borrow() {
            return plain(503, "nobody is there");
        }
        if let Some(answer) = self.inner.instead.lock().unwrap().as_ref().and_then(|it| it(&request)) {
            return answer;
        }
        let mut open = self.inner.open.subscribe();
        let shut = async move { open.wait_for(|it| !it).await.map(drop) };
        let answer = api.oneshot(request).await.unwrap();
        answer.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(shut))))
    }
}

pub fn plain(status: u16, text: &'static str) -> Response {
    Response::builder().status(status).body(Body::from(text)).unwrap()
}
