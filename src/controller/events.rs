//! Delivery of Kubernetes Events: a bounded queue, the correlator, and the API, as client-go's broadcaster has them.
//!
//! Deliveries never hold a tick up. What the correlator filters, what a full queue drops and what the API refuses is
//! counted and stays in the log.

use crate::cluster::{Client, ClusterError};
use crate::controller::correlate::{Correlator, Delivery, Occurrence, Record};
use crate::controller::log::{Level, Log, canary_key};
use crate::controller::meters::Meters;
use crate::model::object::ObjectRef;
use crate::sys::clock::{Clock, rfc3339};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many events may wait for delivery; client-go's broadcaster queues as many and drops the rest.
const MAX_QUEUED: usize = 1_000;
/// How often one event is tried while the API does not answer.
const MAX_TRIES: u32 = 12;
/// The wait between those tries.
const RETRY_WAIT: Duration = Duration::from_secs(10);

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Involved {
    pub(super) object: ObjectRef,
    pub(super) uid: String,
    pub(super) resource_version: String,
}

impl Involved {
    /// The parts of an object that events refer to.
    pub(super) fn of(object: ObjectRef, metadata: &Value) -> Self {
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        Self { object, uid: text("uid"), resource_version: text("resourceVersion") }
    }
}

/// An event on its way.
#[derive(Debug)]
struct Queued {
    involved: Involved,
    warning: bool,
    message: String,
    /// Unix time, and time since the clock's start.
    nanos: i64,
    at: Duration,
}

/// Takes events in; cheap, never waits.
#[derive(Debug)]
pub(super) struct Recorder {
    queue: mpsc::Sender<Queued>,
    clock: Clock,
    meters: Arc<Meters>,
    /// The last name's nanoseconds: events of one instant still need names of their own.
    last: AtomicI64,
}

impl Recorder {
    /// A recorder, and the task that delivers for it; the task ends with the recorder.
    pub(super) fn new(
        client: Client,
        clock: Clock,
        meters: Arc<Meters>,
        log: Log,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(MAX_QUEUED);
        let delivery = Deliverer { client, clock, meters: meters.clone(), log, correlator: Correlator::default() };
        (Self { queue, clock, meters, last: AtomicI64::new(0) }, delivery.run(waiting))
    }

    /// Records an event; its time and name are of now.
    pub(super) fn record(&self, involved: Involved, warning: bool, message: &str) {
        let now = i64::try_from(self.clock.now().as_nanosecond()).unwrap_or(i64::MAX);
        let last = self.last.load(Ordering::Relaxed);
        let nanos = now.max(last.saturating_add(1));
        self.last.store(nanos, Ordering::Relaxed);
        let namespace = involved.object.namespace.clone();
        let at = self.clock.elapsed();
        let queued = Queued { involved, warning, message: message.to_owned(), nanos, at };
        if self.queue.try_send(queued).is_err() {
            self.meters.lose_event(&namespace, "queue full");
        }
    }
}

struct Deliverer {
    client: Client,
    clock: Clock,
    meters: Arc<Meters>,
    log: Log,
    correlator: Correlator,
}

impl Deliverer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Queued>) {
        while let Some(queued) = waiting.recv().await {
            self.deliver(queued).await;
        }
    }

    async fn deliver(&mut self, queued: Queued) {
        let Queued { involved, warning, message, nanos, at } = queued;
        let object = &involved.object;
        let identity =
            [&object.kind, &object.namespace, &object.name, &involved.uid, &object.api_version].map(String::as_str);
        let name = format!("{}.{nanos:x}", object.name);
        let source = (identity.join("/"), warning);
        let (record, patch) = match self.correlator.correlate(Occurrence { source, message, name, at }) {
            Delivery::Create(record) => (record, false),
            Delivery::Patch(record) => (record, true),
            Delivery::Filtered => {
                self.meters.lose_event(&object.namespace, "spam filter");
                return;
            }
        };
        if let Err(why) = self.send(&involved, warning, &record, patch).await {
            self.meters.lose_event(&object.namespace, "refused");
            let message = format!("Server rejected event '{}' (will not retry!): {why}", record.message);
            self.log.write(Level::Error, &canary_key(object), &message);
        }
    }

    /// Tries until the API answers; a refusal is an answer.
    async fn send(&self, involved: &Involved, warning: bool, record: &Record, patch: bool) -> Result<(), ClusterError> {
        for _ in 1..MAX_TRIES {
            match self.send_once(involved, warning, record, patch).await {
                Err(ClusterError::Unreachable { .. }) => tokio::time::sleep(RETRY_WAIT).await,
                settled => return settled,
            }
        }
        self.send_once(involved, warning, record, patch).await
    }

    async fn send_once(
        &self,
        involved: &Involved,
        warning: bool,
        record: &Record,
        patch: bool,
    ) -> Result<(), ClusterError> {
        if patch {
            let event = ObjectRef::new("v1", "Event", &involved.object.namespace, &record.name);
            let last = rfc3339(self.clock.stamp(record.last));
            let change = json!({"count": record.count, "message": record.message, "lastTimestamp": last});
            match self.client.merge_patch(&event, None, &change).await {
                // It was never made, or its time to live has run out: make it (again).
                Err(ClusterError::NotFound(_)) => {}
                other => return other.map(drop),
            }
        }
        self.client.create(&self.event(involved, warning, record)).await.map(drop)
    }

    fn event(&self, involved: &Involved, warning: bool, record: &Record) -> Value {
        let Involved { object, uid, resource_version } = involved;
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": record.name, "namespace": object.namespace},
            "involvedObject": {
                "kind": object.kind,
                "namespace": object.namespace,
                "name": object.name,
                "uid": uid,
                "apiVersion": object.api_version,
                "resourceVersion": resource_version,
            },
            "reason": "Synced",
            "message": record.message,
            "source": {"component": "flagger"},
            "firstTimestamp": rfc3339(self.clock.stamp(record.first)),
            "lastTimestamp": rfc3339(self.clock.stamp(record.last)),
            "count": record.count,
            "type": if warning { "Warning" } else { "Normal" },
            // client-go leaves it out of the Events that it combines.
            "reportingComponent": if record.combined { "" } else { "flagger" },
            "reportingInstance": "",
            "eventTime": null,
        })
    }
}

#[cfg(test)]
mod tests;
