//! Kubernetes Events, counted up when they repeat, as `client-go/tools/record` writes them.

use super::client::Client;
use super::json::{name, namespace, uid};
use super::queue::Key;
use crate::apiserver::resource;
use crate::sys::clock::{Clock, rfc3339};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Events that one component keeps; the oldest goes when one more comes. A real cluster keeps them for an hour.
pub(super) const EVENTS_KEPT: usize = 1_000;

/// What makes two events the same: object's uid, reason, message.
type Identity = (String, String, String);

/// Writes the events of one component. Clones write as one.
#[derive(Clone)]
pub(super) struct Recorder {
    client: Client,
    clock: Clock,
    component: &'static str,
    host: &'static str,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Where the event is, and how often it has happened.
    events: BTreeMap<Identity, (Key, u64)>,
    order: VecDeque<Identity>,
    number: u64,
}

/// `Normal`, or something that a person should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Warning,
}

impl Recorder {
    /// `host` is empty for controllers.
    pub(super) fn new(client: Client, clock: Clock, component: &'static str, host: &'static str) -> Self {
        Self { client, clock, component, host, seen: Arc::default() }
    }

    pub(super) fn normal(&self, about: &Value, reason: &str, message: &str) {
        self.record(about, Kind::Normal, reason, message, None);
    }

    pub(super) fn warning(&self, about: &Value, reason: &str, message: &str) {
        self.record(about, Kind::Warning, reason, message, None);
    }

    /// An event about one container of a pod.
    pub(super) fn container(&self, pod: &Value, container: &str, kind: Kind, reason: &str, message: &str) {
        self.record(pod, kind, reason, message, Some(container));
    }

    /// An event that cannot be written (its namespace is being deleted) is lost, as in a real cluster.
    fn record(&self, about: &Value, kind: Kind, reason: &str, message: &str, container: Option<&str>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = (uid(about).to_owned(), reason.to_owned(), message.to_owned());
        let now = rfc3339(self.clock.now());
        if let Some((key, count)) = seen.events.get_mut(&identity) {
            *count += 1;
            let body = json!({ "count": *count, "lastTimestamp": now });
            if self.client.patch(resource::EVENTS, key, body).is_ok() {
                return;
            }
        }
        seen.number += 1;
        let stamp = self.clock.now().as_nanosecond() as u64;
        // Real names are object.nanoseconds; on a simulated clock many things happen at one nanosecond.
        let event_name = format!("{}.{:x}", name(about), stamp.wrapping_add(seen.number));
        let key = Key::new(namespace(about), &event_name);
        let kind = if kind == Kind::Warning { "Warning" } else { "Normal" };
        let mut event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "name": event_name, "namespace": namespace(about) },
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "namespace": namespace(about),
                "name": name(about),
                "uid": uid(about),
                "resourceVersion": about["metadata"]["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": { "component": self.component },
            "reportingComponent": self.component,
            "reportingInstance": self.host,
        });
        if !self.host.is_empty() {
            event["source"]["host"] = json!(self.host);
        }
        if let Some(container) = container {
            event["involvedObject"]["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
        }
        if self.client.create(resource::EVENTS, &key.namespace, event).is_ok() {
            seen.keep(identity, key, &self.client);
        }
    }
}

impl Seen {
    fn keep(&mut self, identity: Identity, key: Key, client: &Client) {
        if self.events.insert(identity.clone(), (key, 1)).is_none() {
            self.order.push_back(identity);
        }
        if self.order.len() > EVENTS_KEPT
            && let Some(oldest) = self.order.pop_front()
            && let Some((key, _)) = self.events.remove(&oldest)
            && let Some(event) = client.get(resource::EVENTS, &key.namespace, &key.name)
        {
            let _ = client.delete(resource::EVENTS, &event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::Server;
    use crate::sys::rng::Seed;

    fn recorder() -> (Client, Recorder, Arc<Value>) {
        let clock = Clock::simulated();
        let client = Client::new(Server::new(clock, Seed(1)).api(), "test");
        let about = json!({"metadata": {"name": "config"}, "data": {}});
        let about = client.create(resource::CONFIGMAPS, "default", about).unwrap();
        (client.clone(), Recorder::new(client, clock, "tester", ""), about)
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_repeats_is_counted_up() {
        let (client, recorder, about) = recorder();
        recorder.warning(&about, "Odd", "it is odd");
        recorder.warning(&about, "Odd", "it is odder");
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        recorder.warning(&about, "Odd", "it is odd");
        let events = client.list(resource::EVENTS, Some("default"));
        let mut seen: Vec<(&str, i64)> =
            events.iter().map(|it| (it["message"].as_str().unwrap(), it["count"].as_i64().unwrap())).collect();
        seen.sort_unstable();
        assert_eq!(seen, [("it is odd", 2), ("it is odder", 1)]);
        let odd = events.iter().find(|it| it["count"] == 2).unwrap();
        assert_eq!(
            (&odd["firstTimestamp"], &odd["lastTimestamp"]),
            (&json!("2026-01-01T00:00:00Z"), &json!("2026-01-01T00:00:05Z"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_events_are_kept_and_the_oldest_go() {
        let (client, recorder, about) = recorder();
        for number in 0..EVENTS_KEPT + 10 {
            recorder.normal(&about, "Count", &format!("{number:06}"));
        }
        let events = client.list(resource::EVENTS, Some("default"));
        let oldest = events.iter().map(|it| it["message"].as_str().unwrap()).min().unwrap();
        assert_eq!((events.len(), oldest), (EVENTS_KEPT, "000010"));
    }
}
