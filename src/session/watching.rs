//! A look at one Canary of any cluster with Flagger, from its past on, as the same stream of events as a run's. It asks and
//! watches; it changes nothing.

use super::bus::{Bus, Sink};
use super::faults::PodSelectors;
use super::flagger::{self, Flagger};
use super::measure::{self, Asker};
use super::observe::{
    self, PodTeller, ReportTeller, RouteTeller, Seen, StatusTeller, Teller, Watch, WorkloadTeller, told_at,
};
use super::pace::{Control, beat};
use super::patience::{self, Lost};
use crate::canary::{self, routes};
use crate::cluster::{Client, ClusterError, ConnectError};
use crate::event::{ClockKind, Event, Note, RunStarted, ScenarioStarted};
use crate::lab::Reach;
use crate::model::canary::{Canary, Phase};
use crate::model::command::Command;
use crate::model::object::ObjectRef;
use crate::sys::clock::{Clock, rfc3339};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What stands for a scenario in the record.
pub const WATCH: &str = "watch";
/// How much of the past is told: a Kubernetes API keeps Events for an hour where nobody set it otherwise.
const PAST: Duration = Duration::from_hours(1);

/// What to look at.
pub struct Watching {
    /// Its entry is not used; without a Prometheus, Flagger's own is taken.
    pub reach: Reach,
    /// All namespaces where it is none.
    pub namespace: Option<String>,
    /// The only Canary where it is none.
    pub canary: Option<String>,
    pub sinks: Vec<Sink>,
    /// A person's end: they can quit.
    pub control: Control,
}

/// Why there is nothing to see, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("the runtime could not be made: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the Kubernetes API of {lab} does not answer as it should: {source}")]
    Cluster { lab: String, source: ClusterError },
    #[error("there is no Canary{which} in {place}: is Flagger installed there, and the name right?")]
    NoCanary { which: String, place: String },
    #[error("there are several Canaries; name one, and its namespace with -n:\n{list}")]
    Several { list: String },
    #[error("the Canary {name} cannot be read: {why}")]
    Unreadable { name: String, why: String },
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl WatchError {
    /// Whether naming something else would help.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoCanary { .. } | Self::Several { .. } | Self::Connect(_))
    }
}

impl Watching {
    /// Blocks until a person quits, or until the cluster has been gone for too long.
    pub fn run(self) -> Result<(), WatchError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(async {
            let cluster = self.reach.kubernetes().await?;
            self.watch(cluster, Clock::wall()).await
        });
        runtime.shutdown_background();
        result
    }

    /// Watches a cluster that is connected to.
    pub async fn watch(mut self, cluster: Client, clock: Clock) -> Result<(), WatchError> {
        let failed = |source| WatchError::Cluster { lab: self.reach.name.clone(), source };
        let found = self.pick(&cluster).await?;
        let canary: Canary = serde_json::from_value(found.clone())
            .map_err(|it| WatchError::Unreadable { name: ObjectRef::of(&found).to_string(), why: it.to_string() })?;
        let there = cluster.greet().await.map_err(failed)?.unwrap_or(clock.now());
        let flagger = flagger::find(&cluster).await;
        let past = past(&cluster, &canary, there).await.map_err(failed)?;
        let before = past.first().map_or(Duration::ZERO, |it| it.0);
        let bus = Bus::after(before, clock, std::mem::take(&mut self.sinks));
        bus.publish_past(before, Event::RunStarted(self.started(&canary, &flagger, before, clock)));
        bus.publish_past(before, Event::ScenarioStarted(ScenarioStarted { steps: 0 }));
        let view = View { cluster, clock, bus, canary, flagger };
        view.show(&past, &self.reach, self.control).await
    }

    /// The Canary that is meant.
    async fn pick(&self, cluster: &Client) -> Result<Value, WatchError> {
        let namespace = self.namespace.as_deref();
        let listed = cluster.list("flagger.app/v1beta1", "Canary", namespace, None).await;
        let mut canaries = match listed {
            Err(error) if error.is_not_found() => Vec::new(),
            other => other.map_err(|source| WatchError::Cluster { lab: self.reach.name.clone(), source })?,
        };
        if let Some(name) = &self.canary {
            canaries.retain(|it| it["metadata"]["name"] == name.as_str());
        }
        match canaries.len() {
            0 => Err(WatchError::NoCanary {
                which: self.canary.as_ref().map(|it| format!(" `{it}`")).unwrap_or_default(),
                place: namespace.map_or_else(|| self.reach.name.clone(), |it| format!("namespace {it}")),
            }),
            1 => Ok(canaries.remove(0)),
            _ => Err(WatchError::Several { list: list(&canaries) }),
        }
    }

    fn started(&self, canary: &Canary, flagger: &Flagger, before: Duration, clock: Clock) -> RunStarted {
        let now = clock.now();
        RunStarted {
            scenario: WATCH.to_owned(),
            title: format!("the Canary {} in namespace {}", canary.name(), canary.namespace()),
            lab: self.reach.name.clone(),
            clock: ClockKind::Wall,
            seed: 0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(now.checked_sub(before).unwrap_or(now)),
            policy: canary::policy(canary, &flagger.settings),
        }
    }
}

/// Namespace, name and phase of each, a line each.
fn list(canaries: &[Value]) -> String {
    let line = |it: &Value| {
        let text = |pointer| it.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
        format!("  {}  -n {}  ({})", text("/metadata/name"), text("/metadata/namespace"), text("/status/phase"))
    };
    canaries.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Where the Canary stands when the look begins: its Events may be gone.
fn now_words(canary: &Canary) -> String {
    let status = &canary.status;
    let phase = if status.phase == Phase::None { "no phase yet" } else { status.phase.name() };
    let mut words = format!("now: {phase}, weight {} %, failed checks {}", status.canary_weight, status.failed_checks);
    if !status.last_transition_time.is_empty() {
        words = words + ", last changed at " + &status.last_transition_time;
    }
    if canary.spec.suspend { words + ", suspended" } else { words }
}

/// One Kubernetes Event of the past: how long ago it happened, and the object.
type Past = (Duration, Value);

/// The Canary's Events of the last hour, oldest first. Times are the cluster's own, so its clock says how long ago.
async fn past(cluster: &Client, canary: &Canary, there: Timestamp) -> Result<Vec<Past>, ClusterError> {
    let teller = ReportTeller::new(canary.name());
    let mut events = cluster.list("v1", "Event", Some(canary.namespace()), None).await?;
    events.retain(|it| teller.is_about(it));
    teller.sort(&mut events);
    let ago = |at: &str| {
        let at: Timestamp = at.parse().ok()?;
        Some(Duration::try_from(there.duration_since(at)).unwrap_or_default())
    };
    let mut past = Vec::new();
    for event in events {
        // One that repeats says when it happened first and last; the times between are lost.
        if let Some(first) = first_of_many(&event) {
            past.push((ago(told_at(&first)).unwrap_or_default(), first));
        }
        past.push((ago(told_at(&event)).unwrap_or_default(), event));
    }
    past.retain(|(ago, _)| *ago <= PAST);
    past.sort_by_key(|(ago, _)| std::cmp::Reverse(*ago));
    Ok(past)
}

/// What a repeated Event was when it happened for the first time.
fn first_of_many(event: &Value) -> Option<Value> {
    let repeated = event["count"].as_i64().is_some_and(|it| it > 1) && !ReportTeller::is_combined(event);
    let first = event["firstTimestamp"].as_str().filter(|_| repeated)?;
    let mut once = event.clone();
    once["count"] = 1.into();
    once["lastTimestamp"] = first.into();
    Some(once)
}

struct View {
    cluster: Client,
    clock: Clock,
    bus: Bus,
    canary: Canary,
    flagger: Flagger,
}

impl View {
    /// Tells the past, then what happens, until a person quits.
    async fn show(self, past: &[Past], reach: &Reach, control: Control) -> Result<(), WatchError> {
        let mut teller = ReportTeller::new(self.canary.name());
        for (ago, event) in past {
            teller.applied(event).into_iter().for_each(|it| self.bus.publish_past(*ago, it));
        }
        self.note(&now_words(&self.canary));
        let mut tasks = JoinSet::new();
        self.observe(&mut tasks, teller).await;
        self.measure(&mut tasks, reach).await;
        let (sender, mut commands) = mpsc::channel(super::MAX_WAITING_COMMANDS);
        tasks.spawn(beat(control, self.clock, sender));
        let result = tokio::select! {
            biased;
            () = self.until_quit(&mut commands) => Ok(()),
            lost = patience::watch_over(self.cluster.clone(), self.clock, self.bus.clone()) => Err(lost.into()),
        };
        tasks.shutdown().await;
        result
    }

    async fn observe(&self, tasks: &mut JoinSet<()>, reports: ReportTeller) {
        let (canary, namespace) = (&self.canary, self.canary.namespace());
        let (seen, _) = watch::channel(Seen::default());
        let mut follow = |api_version, kind, teller: Box<dyn Teller + Send>| {
            let (cluster, bus) = (self.cluster.clone(), self.bus.clone());
            tasks.spawn(observe::follow(cluster, namespace.to_owned(), Watch { api_version, kind }, bus, teller));
        };
        let target = &canary.spec.target_ref.name;
        follow("flagger.app/v1beta1", "Canary", Box::new(StatusTeller::new(canary.name(), seen.clone())));
        follow("v1", "Event", Box::new(reports));
        if let Some(router) = routes::router_object(canary, &self.flagger.settings) {
            follow(router.api_version, router.kind, Box::new(RouteTeller::new(canary.clone(), seen)));
        }
        if canary.spec.target_ref.kind == "Deployment" {
            let deployment = ObjectRef::new("apps/v1", "Deployment", namespace, target);
            let deployment = self.cluster.get(&deployment).await.ok().flatten().unwrap_or_default();
            let selectors = PodSelectors::of(&deployment);
            follow("apps/v1", "Deployment", Box::new(WorkloadTeller::of_target(target)));
            follow("v1", "Pod", Box::new(PodTeller::of_target(selectors)));
        }
    }

    async fn measure(&self, tasks: &mut JoinSet<()>, reach: &Reach) {
        let address = reach.prometheus.clone().or_else(|| self.flagger.prometheus(&self.canary));
        let Some(address) = address else {
            return self.note("Flagger's Prometheus is not known, so no values are shown: name it with --prometheus");
        };
        let listed = self.cluster.list("flagger.app/v1beta1", "MetricTemplate", None, None).await;
        let asked = measure::asked_of(&self.canary, &self.flagger.settings, &listed.unwrap_or_default());
        let prometheus = address.endpoint(&self.cluster);
        tasks.spawn(measure::measure(Asker { prometheus, clock: self.clock, bus: self.bus.clone(), asked }));
    }

    async fn until_quit(&self, commands: &mut mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            if command == Command::Quit {
                return;
            }
            self.note("this is a look only: it changes nothing, and real time has one speed");
        }
        std::future::pending::<()>().await;
    }

    fn note(&self, text: &str) {
        self.bus.publish(Event::Note(Note { text: text.to_owned() }));
    }
}
