//! What both arms leave behind: watched through the Kubernetes API, and received by a sink for everything that a controller
//! sends out.

use crate::fidelity::policy::{Policy, When};
use bytes::Bytes;
use coalmine::cluster::{Client, Watched};
use coalmine::sys::http::{Http, HttpError, Request, Response};
use coalmine::sys::signal::{Signal, Waiter};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where every event of Flagger is posted (`-event-webhook`).
pub const EVENTS: &str = "http://events.example/";

/// One policy's record, in the order in which things were seen.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Every version of the Canary's status.
    pub statuses: Vec<Value>,
    /// Every version of the object that holds the weights.
    pub routes: Vec<Value>,
    /// Bodies that the event webhook got.
    pub events: Vec<Value>,
    /// Hook name and body.
    pub calls: Vec<(String, Value)>,
    /// Bodies of alerts.
    pub alerts: Vec<Value>,
}

impl Record {
    pub fn phase(&self) -> &str {
        self.statuses.last().and_then(|it| it["phase"].as_str()).unwrap_or_default()
    }

    /// The canary's live weight.
    pub fn live(&self) -> i64 {
        let Some(last) = self.routes.last() else { return 0 };
        let ingress = &last["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
        let route = || last["spec"]["rules"][0]["backendRefs"][1]["weight"].as_i64();
        ingress.as_str().and_then(|it| it.parse().ok()).or_else(route).unwrap_or(0)
    }

    /// Texts of events after the first `from`.
    pub fn texts(&self, from: usize) -> impl Iterator<Item = &str> {
        self.events.iter().skip(from).filter_map(|it| it["metadata"]["eventMessage"].as_str())
    }

    fn holds(&self, when: When, from: Mark) -> bool {
        match when {
            When::Phase(phase) => self.phase() == phase,
            When::Live(weight) => self.live() == weight,
            When::Event(text) => self.texts(from.events).any(|it| it.contains(text)),
            When::Events(count, text) => self.texts(from.events).filter(|it| it.contains(text)).count() >= count,
            When::Statuses(count) => self.statuses.len() >= from.statuses + count,
        }
    }
}

/// How much of a record is old news.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    events: usize,
    statuses: usize,
}

/// All policies' records by namespace, and how their hooks answer. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    records: Mutex<BTreeMap<String, Record>>,
    /// By namespace and hook.
    answers: BTreeMap<(String, String), Vec<u16>>,
    news: Signal,
}

impl Recorder {
    pub fn new(policies: &[Policy]) -> Self {
        let answers = policies.iter().flat_map(|policy| {
            policy.hooks.iter().map(|(hook, it)| ((policy.name.to_owned(), (*hook).to_owned()), it.clone()))
        });
        let records = policies.iter().map(|it| (it.name.to_owned(), Record::default())).collect();
        Self(Arc::new(Inner { records: Mutex::new(records), answers: answers.collect(), news: Signal::default() }))
    }

    pub fn of(&self, namespace: &str) -> Record {
        self.with(namespace, |it| it.clone()).unwrap_or_default()
    }

    fn with<T>(&self, namespace: &str, with: impl FnOnce(&mut Record) -> T) -> Option<T> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner).get_mut(namespace).map(with)
    }

    fn add(&self, namespace: &str, add: impl FnOnce(&mut Record)) {
        self.with(namespace, add);
        self.0.news.raise();
    }

    /// Waits until something has been observed.
    pub async fn until(&self, namespace: &str, when: When, from: Mark) {
        let mut news: Waiter = self.0.news.waiter();
        while self.with(namespace, |it| it.holds(when, from)) == Some(false) {
            news.raised().await;
        }
    }

    /// Up to now.
    pub fn mark(&self, namespace: &str) -> Mark {
        self.with(namespace, |it| Mark { events: it.events.len(), statuses: it.statuses.len() }).unwrap_or_default()
    }

    /// Follows the objects that a controller writes to, until it is dropped.
    pub async fn follow(self, cluster: Client) {
        let mut canaries = cluster.watch("flagger.app/v1beta1", "Canary", None, None);
        let mut ingresses = cluster.watch("networking.k8s.io/v1", "Ingress", None, None);
        let mut routes = cluster.watch("gateway.networking.k8s.io/v1", "HTTPRoute", None, None);
        loop {
            let told = tokio::select! {
                biased;
                Some(told) = canaries.next() => told,
                Some(told) = ingresses.next() => told,
                Some(told) = routes.next() => told,
                else => return,
            };
            let objects = match told {
                Watched::Applied(object) => vec![object],
                Watched::Restarted(objects) => objects,
                Watched::Deleted(_) => Vec::new(),
            };
            for object in objects {
                self.see(&object);
            }
        }
    }

    fn see(&self, object: &Value) {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let is_router = object["kind"] == "HTTPRoute"
            || object["metadata"]["name"].as_str().is_some_and(|it| it.ends_with("-canary"));
        self.add(namespace, |record| {
            if object["kind"] == "Canary" {
                if object["status"].is_object() && record.statuses.last() != Some(&object["status"]) {
                    record.statuses.push(object["status"].clone());
                }
            } else if is_router {
                record.routes.push(object.clone());
            }
        });
    }

    /// Takes in what a controller sends; the answer's status.
    fn receive(&self, host: &str, path: &str, body: Value) -> Option<u16> {
        let mut parts = path.trim_matches('/').splitn(2, '/');
        let (first, rest) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
        match host {
            "events.example" => {
                let namespace = body["namespace"].as_str().unwrap_or_default().to_owned();
                self.add(&namespace, |it| it.events.push(body));
                Some(200)
            }
            "chat.example" => {
                self.add(&first, |it| it.alerts.push(body));
                Some(200)
            }
            "hooks.example" => {
                let before = self.with(&first, |it| it.calls.iter().filter(|(hook, _)| *hook == rest).count());
                self.add(&first, |it| it.calls.push((rest.clone(), body)));
                let answers = self.0.answers.get(&(first, rest)).map_or(&[200][..], Vec::as_slice);
                answers.get(before.unwrap_or_default()).or(answers.last()).copied()
            }
            _ => None,
        }
    }
}

impl Http for Recorder {
    fn send(&self, request: Request, _: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        let answer = match self.receive(&host, request.uri().path(), body) {
            None => Err(HttpError::NoSuchHost { host }),
            Some(status) => {
                let reason = http::StatusCode::from_u16(status).unwrap().canonical_reason().unwrap_or_default();
                // An answer with 204 has no body on the wire.
                let text = if status == 204 { "" } else { reason };
                Ok(http::Response::builder().status(status).body(Bytes::from_static(text.as_bytes())).unwrap())
            }
        };
        async move { answer }.boxed()
    }
}
