//! A small world to tick in: objects in a map, Deployments that become ready after so many ticks, metric values and hook
//! answers by tick. It carries out what the judge asks, as the controller's driver does against real endpoints.

use coalmine::canary::routes;
use coalmine::canary::{
    self, Alert, Answer, ApiError, ApiReason, Ask, Event, HookCall, Input, Level, Meter, Next, Outcome, Query,
    QueryError, Settings, Tell, Write,
};
use coalmine::model::canary::{Canary, CanaryStatus};
use coalmine::model::object::ObjectRef;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// More asks than any tick needs: what ends a tick that would go on for ever.
const MAX_ASKS: usize = 200;

type Place = (String, String, String);

/// What happened in one tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticked {
    /// `N text` or `W text`; errors are `E text`.
    pub events: Vec<String>,
    /// `info text`, `warn text`, `error text`.
    pub alerts: Vec<String>,
    pub told: Vec<Tell>,
    pub calls: Vec<HookCall>,
    pub queries: Vec<Query>,
    pub answers: Vec<Answer>,
    pub outcome: Outcome,
}

/// The answer to something that is asked in a tick.
type ByTick<T, A> = Box<dyn Fn(usize, &T) -> A>;

/// Answers by tick. The default world is healthy.
pub struct Script {
    pub metric: ByTick<Query, Result<f64, QueryError>>,
    pub hook: ByTick<HookCall, Result<(), String>>,
    /// Whether this write (number within the tick) fails, and how.
    pub write: Box<dyn Fn(usize, usize) -> Option<ApiError>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            metric: Box::new(|_, query| Ok(if query.query.ends_with("* 100") { 100.0 } else { 20.0 })),
            hook: Box::new(|_, _| Ok(())),
            write: Box::new(|_, _| None),
        }
    }
}

/// The world.
pub struct World {
    pub settings: Settings,
    pub script: Script,
    /// Ticks for which each of a Deployment's rollouts in turn is not ready; 0 is ready by the next tick. The last repeats.
    pub ready_in: BTreeMap<String, Vec<usize>>,
    /// Deployments whose rollouts exceed Kubernetes' own progress deadline, from this tick on.
    pub stuck_from: BTreeMap<String, usize>,
    pub canary: Canary,
    pub interval: Duration,
    pub now: Timestamp,
    /// Number of the next tick.
    pub tick: usize,
    objects: BTreeMap<Place, Value>,
    pending: BTreeMap<Place, (usize, Rollout)>,
    unavailable_since: BTreeMap<Place, Timestamp>,
    version: u64,
    ids: u64,
}

/// What a rollout looks like while it goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rollout {
    /// All pods are new.
    Fresh,
    /// An old pod still runs beside the new ones.
    Rolling,
}

fn place(object: &ObjectRef) -> Place {
    (object.kind.clone(), object.namespace.clone(), object.name.clone())
}

fn refused(reason: ApiReason, message: &str) -> ApiError {
    ApiError { reason, message: message.to_owned() }
}

impl World {
    /// A target Deployment `podinfo`, a main Ingress, and a Canary with this spec (merged over the usual one).
    pub fn new(spec: &Value) -> Self {
        let mut whole = json!({
            "provider": "nginx",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "podinfo"},
            "service": {"port": 80, "targetPort": 9898},
            "analysis": {"interval": "15s", "threshold": 5},
        });
        merge(&mut whole, spec);
        let canary: Canary = serde_json::from_value(json!({
            "metadata": {"name": "podinfo", "namespace": "test", "uid": "0c0ffee0"}, "spec": whole,
        }))
        .unwrap();
        let mut world = Self {
            settings: Settings::default(),
            script: Script::default(),
            ready_in: BTreeMap::new(),
            stuck_from: BTreeMap::new(),
            interval: canary.spec.analysis.effective_interval(),
            canary,
            now: Timestamp::from_second(1_767_225_600).unwrap(),
            tick: 0,
            objects: BTreeMap::new(),
            pending: BTreeMap::new(),
            unavailable_since: BTreeMap::new(),
            version: 0,
            ids: 0,
        };
        for object in manifests(&world.canary) {
            world.apply(object);
        }
        world.settle();
        world
    }

    /// Ticks until the Canary is initialised, then forgets that it did.
    pub fn initialised(spec: &Value) -> Self {
        let mut world = Self::new(spec);
        for _ in 0..3 {
            world.tick();
        }
        assert_eq!(world.canary.status.phase.name(), "Initialized", "the world does not initialise");
        world.tick = 0;
        world
    }

    /// A new template for the target.
    pub fn release(&mut self, image: &str) {
        let mut target = self.object("Deployment", "podinfo").unwrap().clone();
        target["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        self.apply(target);
        self.settle();
    }

    pub fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.to_owned(), "test".to_owned(), name.to_owned()))
    }

    pub fn delete(&mut self, kind: &str, name: &str) {
        self.objects.remove(&(kind.to_owned(), "test".to_owned(), name.to_owned()));
    }

    /// A person's edit: a merge patch of any object, the Canary's spec included.
    pub fn edit(&mut self, kind: &str, name: &str, patch: &Value) {
        if kind == "Canary" {
            let mut whole = serde_json::to_value(&self.canary).unwrap();
            merge(&mut whole, patch);
            self.canary = serde_json::from_value(whole).unwrap();
            return;
        }
        let mut object = self.object(kind, name).unwrap_or(&Value::Null).clone();
        merge(&mut object, patch);
        self.apply(object);
        self.settle();
    }

    /// The router's own weight of the canary, percent.
    pub fn live_weight(&self) -> i64 {
        if let Some(route) = self.object("HTTPRoute", self.canary.service_name()) {
            return routes::weights_of(&self.canary, route).unwrap().1;
        }
        let main = self.canary.spec.ingress_ref.as_ref().map_or("", |it| it.name.as_str());
        let Some(ingress) = self.object("Ingress", &format!("{main}-canary")) else { return 0 };
        let (primary, canary) = routes::weights_of(&self.canary, ingress).unwrap();
        assert_eq!(primary + canary, 100);
        canary
    }

    pub fn replicas(&self, name: &str) -> i64 {
        self.object("Deployment", name).unwrap()["spec"]["replicas"].as_i64().unwrap()
    }

    pub fn image(&self, name: &str) -> String {
        let deployment = self.object("Deployment", name).unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }

    /// One tick, then the time until the next.
    pub fn tick(&mut self) -> Ticked {
        self.drive(canary::tick)
    }

    /// One deletion, driven in the same way.
    pub fn finalize(&mut self) -> Ticked {
        self.drive(canary::finalize)
    }

    fn drive(&mut self, decide: fn(&Input<'_>, &[Answer]) -> canary::Turn) -> Ticked {
        let settings = self.settings.clone();
        let (namespace, name) = (self.canary.namespace().to_owned(), self.canary.name().to_owned());
        let input = Input { namespace: &namespace, name: &name, now: self.now, settings: &settings };
        let (mut answers, mut told) = (Vec::new(), Vec::new());
        let (mut calls, mut queries, mut writes) = (Vec::new(), Vec::new(), 0);
        let outcome = loop {
            let turn = decide(&input, &answers);
            told.extend(turn.tell);
            match turn.next {
                Next::Done(outcome) => break outcome,
                Next::Ask(ask) => {
                    match &ask {
                        Ask::Hook(call) => calls.push((**call).clone()),
                        Ask::Query(query) => queries.push(query.clone()),
                        Ask::Write(_) | Ask::Status(_) => writes += 1,
                        _ => {}
                    }
                    answers.push(self.carry_out(ask, writes));
                    assert!(answers.len() < MAX_ASKS, "the tick does not end");
                }
            }
        };
        self.tick += 1;
        self.now = self.now.checked_add(SignedDuration::try_from(self.interval).unwrap()).unwrap();
        self.settle();
        let (events, alerts) = (events(&told), alerts(&told));
        Ticked { events, alerts, told, calls, queries, answers, outcome }
    }

    fn carry_out(&mut self, ask: Ask, writes: usize) -> Answer {
        if let (Ask::Write(_) | Ask::Status(_), Some(error)) = (&ask, (self.script.write)(self.tick, writes)) {
            return Answer::Written(Err(error));
        }
        match ask {
            Ask::Canary => Answer::Canary(Ok(Some(Box::new(self.canary.clone())))),
            Ask::Read(object) => Answer::Object(Ok(self.objects.get(&place(&object)).cloned())),
            Ask::Write(write) => Answer::Written(self.write(write)),
            Ask::Status(write) => {
                self.canary.status = write.apply(&self.canary, self.now);
                Answer::Written(Ok(()))
            }
            Ask::Hook(call) => Answer::Carried((self.script.hook)(self.tick, &call)),
            Ask::Query(query) => Answer::Value((self.script.metric)(self.tick, &query)),
            Ask::Ping(_) | Ask::Wait(_) => Answer::Carried(Ok(())),
            Ask::FlaggerId => {
                self.ids += 1;
                Answer::Text(format!("00000000-0000-4000-8000-{:012}", self.ids))
            }
            Ask::Cookie => Answer::Text("abcdefghij".to_owned()),
        }
    }

    fn write(&mut self, write: Write) -> Result<(), ApiError> {
        match write {
            Write::Create(object) => {
                let reference = ObjectRef::of(&object);
                if self.objects.contains_key(&place(&reference)) {
                    return Err(refused(ApiReason::AlreadyExists, &format!("{reference} already exists")));
                }
                self.apply(object);
            }
            Write::Replace(object) => {
                let reference = ObjectRef::of(&object);
                let Some(existing) = self.objects.get(&place(&reference)) else {
                    return Err(refused(ApiReason::NotFound, &format!("{reference} not found")));
                };
                if existing["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
                    return Err(refused(ApiReason::Conflict, "the object has been modified"));
                }
                self.apply(object);
            }
            Write::MergePatch { target, patch } if target.kind == "Canary" => self.edit("Canary", "", &patch),
            Write::MergePatch { target, patch } => {
                let Some(existing) = self.objects.get(&place(&target)) else {
                    return Err(refused(ApiReason::NotFound, &format!("{target} not found")));
                };
                let mut object = existing.clone();
                merge(&mut object, &patch);
                self.apply(object);
            }
        }
        Ok(())
    }

    /// Stores an object as an API server does: a new version, and a new generation where its spec changed.
    fn apply(&mut self, mut object: Value) {
        let key = place(&ObjectRef::of(&object));
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let old = self.objects.get(&key);
        let changed = old.is_none_or(|it| it["spec"] != object["spec"]);
        let generation = old.map_or(0, |it| it["metadata"]["generation"].as_i64().unwrap());
        object["metadata"]["generation"] = json!(generation + i64::from(changed));
        if let (true, "Deployment") = (changed, key.0.as_str()) {
            self.roll_out(&key, &object);
        }
        self.objects.insert(key, object);
    }

    fn roll_out(&mut self, key: &Place, new: &Value) {
        let replicas = |it: &Value| it["spec"]["replicas"].as_i64().unwrap_or(1);
        let old = self.objects.get(key);
        let before = old.map_or(0, replicas);
        let other_template = old.is_none_or(|it| it["spec"]["template"] != new["spec"]["template"]);
        if replicas(new) == 0 || (before == replicas(new) && !other_template) {
            return;
        }
        let ready_in = match self.ready_in.get_mut(&key.2) {
            Some(turns) if turns.len() > 1 => turns.remove(0),
            Some(turns) => turns[0],
            None => 0,
        };
        let how = if before > 0 && other_template { Rollout::Rolling } else { Rollout::Fresh };
        self.pending.insert(key.clone(), (ready_in, how));
    }

    /// What the other controllers do between ticks: Deployments observe, HTTPRoutes are accepted.
    fn settle(&mut self) {
        let before = self.now.checked_sub(SignedDuration::try_from(self.interval).unwrap()).unwrap();
        for (key, object) in &mut self.objects {
            if key.0 == "HTTPRoute" {
                let accepted = json!({"type": "Accepted", "status": "True", "observedGeneration": object["metadata"]["generation"]});
                object["status"] = json!({"parents": [{"parentRef": {"name": "gateway"}, "conditions": [accepted]}]});
            }
            if key.0 != "Deployment" {
                continue;
            }
            let going = self.pending.get(key).copied().filter(|(left, _)| *left > 0);
            match going {
                Some((left, how)) => self.pending.insert(key.clone(), (left - 1, how)),
                None => self.pending.remove(key),
            };
            let unavailable = matches!(going, Some((_, Rollout::Fresh)));
            let since = *self.unavailable_since.entry(key.clone()).or_insert(before);
            if !unavailable {
                self.unavailable_since.remove(key);
            }
            let stuck = self.stuck_from.get(&key.2).is_some_and(|from| self.tick >= *from);
            object["status"] = status_of(object, going.map(|it| it.1), since, stuck);
        }
    }
}

fn status_of(deployment: &Value, going: Option<Rollout>, since: Timestamp, stuck: bool) -> Value {
    let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let (total, available) = match going {
        None => (replicas, replicas),
        Some(Rollout::Fresh) => (replicas, 0),
        Some(Rollout::Rolling) => (replicas + 1, replicas),
    };
    let unavailable = going == Some(Rollout::Fresh);
    let (status, reason) =
        if unavailable { ("False", "MinimumReplicasUnavailable") } else { ("True", "MinimumReplicasAvailable") };
    let progress = if stuck { "ProgressDeadlineExceeded" } else { "NewReplicaSetAvailable" };
    json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total, "updatedReplicas": replicas, "availableReplicas": available,
        "conditions": [
            {"type": "Available", "status": status, "reason": reason, "lastUpdateTime": since.to_string()},
            {"type": "Progressing", "status": "True", "reason": progress},
        ],
    })
}

fn manifests(canary: &Canary) -> Vec<Value> {
    let service = canary.service_name();
    let pod = json!({
        "metadata": {"labels": {"app": "podinfo"}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {"containers": [{"name": "podinfo", "image": "podinfo:6.9.2", "ports": [{"name": "http", "containerPort": 9898}]}]},
    });
    vec![
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "podinfo"}}, "template": pod},
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": "podinfo", "namespace": "test", "labels": {"team": "a"},
                "annotations": {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}},
            "spec": {"ingressClassName": "nginx", "rules": [{"host": "app.example.com", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}},
                {"path": "/other", "pathType": "Prefix", "backend": {"service": {"name": "other", "port": {"number": 80}}}},
            ]}}]},
        }),
    ]
}

fn events(told: &[Tell]) -> Vec<String> {
    let one = |tell: &Tell| match tell {
        Tell::Event(Event { level, message, .. }) => {
            let letter = match level {
                Level::Normal => 'N',
                Level::Warning => 'W',
                Level::Error => 'E',
            };
            Some(format!("{letter} {message}"))
        }
        _ => None,
    };
    told.iter().filter_map(one).collect()
}

fn alerts(told: &[Tell]) -> Vec<String> {
    let one = |tell: &Tell| match tell {
        Tell::Alert(Alert { severity, message, .. }) => Some(format!("{severity:?} {message}").to_lowercase()),
        _ => None,
    };
    told.iter().filter_map(one).collect()
}

/// The values of `flagger_canary_status` that a tick set, in order.
pub fn status_gauges(ticked: &Ticked) -> Vec<i64> {
    let one = |tell: &Tell| match tell {
        Tell::Meter(Meter::Status { value }) => Some(*value),
        _ => None,
    };
    ticked.told.iter().filter_map(one).collect()
}

/// A status with every field set, for seeing which ones a write touches.
pub fn full_status() -> CanaryStatus {
    CanaryStatus {
        failed_checks: 3,
        canary_weight: 30,
        iterations: 2,
        last_applied_spec: "applied".to_owned(),
        last_promoted_spec: "promoted".to_owned(),
        last_transition_time: "2025-01-01T00:00:00Z".to_owned(),
        ..CanaryStatus::default()
    }
}

/// RFC 7386.
pub fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let fields = into.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            fields.shift_remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
