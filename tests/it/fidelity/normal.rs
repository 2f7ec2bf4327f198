//! A record as lines that can be compared. What must differ between two labs is taken out here, and nowhere else:
//!
//! - times, uids, resource versions, cluster IPs and random names become `#`;
//! - hashes become `hash 1`, `hash 2`, … in the order in which a policy shows them, so that only equality counts;
//! - measured values (`success rate 71.43%`) become `#`: traffic falls into other windows; the bound beside them stays;
//! - how often a state was seen that lasts until something outside ends it: not ready, suspended, Failed and its rewrites,
//!   metrics providers available. Such neighbours become one;
//! - of the log, lines that have no Canary, whether a tick met a Canary that was just deleted, when its entry went, and the
//!   order in which ConfigMaps and Secrets were synced at once;
//! - which of the reasons of a pod that is *still coming* a tick met: they become `waiting for rollout to finish`, and where
//!   a policy is not about readiness such ticks are left out.

use crate::fidelity::arm::Arm;
use crate::fidelity::policy::Policy;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What is compared, one after another.
pub const ASPECTS: [&str; 8] = ["events", "status", "routes", "hooks", "alerts", "objects", "metrics", "log"];

/// One aspect's lines.
pub type Lines = Vec<String>;

/// All aspects of a policy, in the order of [`ASPECTS`].
pub fn aspects(policy: &Policy, arm: &Arm) -> [Lines; 8] {
    let played = &arm.played[policy.name];
    let record = &played.record;
    let mut hashes = Numbering::new("hash");
    let statuses = record.statuses.iter().map(|it| status(it, &mut hashes)).collect();
    let mut checksums = Numbering::new("checksum");
    let calls = record.calls.iter().map(|(hook, body)| format!("{hook}: {}", payload(body, &mut checksums)));
    [
        patient(record.events.iter().map(event).collect(), policy.about_readiness),
        once(statuses),
        once(record.routes.iter().map(route).collect()),
        calls.collect(),
        record.alerts.iter().map(Value::to_string).collect(),
        objects(&played.objects),
        series(&arm.metrics, policy.name),
        patient(log(&arm.log, policy.name, &played.ended), policy.about_readiness),
    ]
}

/// Names for values of which only equality counts.
struct Numbering {
    what: &'static str,
    seen: BTreeMap<String, usize>,
}

impl Numbering {
    fn new(what: &'static str) -> Self {
        Self { what, seen: BTreeMap::new() }
    }

    fn name(&mut self, value: &Value) -> String {
        let Some(text) = value.as_str() else { return "none".to_owned() };
        let next = self.seen.len() + 1;
        format!("{} {}", self.what, self.seen.entry(text.to_owned()).or_insert(next))
    }
}

/// Equal neighbours once.
fn once(mut lines: Lines) -> Lines {
    lines.dedup();
    lines
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// A text of an event without what was measured.
fn text(event: &str) -> String {
    static MEASURED: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        [
            (pattern(r"success rate [0-9.]+%"), "success rate #%"),
            (pattern(r"request duration [0-9.msµ]+ "), "request duration # "),
            (pattern(r"not ready: waiting for rollout to finish: .*"), "not ready: waiting for rollout to finish"),
        ]
    });
    MEASURED.iter().fold(event.to_owned(), |text, (found, with)| found.replace(&text, *with).into_owned())
}

/// `W Progressing: Halt …`: the type, the phase that the payload says, the text.
fn event(body: &Value) -> String {
    let (metadata, phase) = (&body["metadata"], &body["phase"]);
    let kind = metadata["eventType"].as_str().unwrap_or_default().get(..1).unwrap_or_default();
    let message = metadata["eventMessage"].as_str().unwrap_or_default();
    format!("{kind} {}: {}", phase.as_str().unwrap_or_default(), text(message))
}

/// The lines of the controller's log that are about a namespace's Canary, up to the policy's end: `info podinfo.test: Synced
/// …`, with the field `canary` where there is one.
fn log(log: &str, namespace: &str, ended: &str) -> Lines {
    let (name, key) = (format!("podinfo.{namespace}"), format!("{namespace}/podinfo"));
    let lines = log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let lines = lines.filter(|it| it["ts"].as_str().is_some_and(|ts| ts <= ended));
    let of = |line: &Value| {
        let words = |it: &str| it.split([' ', '\'', '"', ':', ',']).any(|it| it == name || it == key);
        line["canary"] == name.as_str() || line["canary"].is_null() && line["msg"].as_str().is_some_and(words)
    };
    let line = |line: Value| {
        let level = line["level"].as_str().unwrap_or_default();
        format!(
            "{level} {}: {}",
            line["canary"].as_str().unwrap_or_default(),
            text(line["msg"].as_str().unwrap_or_default())
        )
    };
    let mut lines: Lines = lines.filter(of).map(line).collect();
    // Told by another task than what the finalizer tells, at the same moment.
    let (gone, mut lines): (Lines, Lines) = lines.drain(..).partition(|it| it.ends_with("from cache"));
    // Only where a tick falls between the deletion and the control loop's next beat.
    lines.retain(|it| !it.ends_with(&format!("Canary {name} not found")));
    lines.extend(gone);
    // Flagger goes through the configuration of a target in Go's random order of maps.
    lines.chunk_by_mut(|one, next| is_sync(one) == is_sync(next)).filter(|it| is_sync(&it[0])).for_each(<[_]>::sort);
    lines
}

/// `ConfigMap settings-primary synced`.
fn is_sync(line: &str) -> bool {
    line.ends_with(" synced") && (line.contains(": ConfigMap ") || line.contains(": Secret "))
}

/// Without what only tells how fast pods came and how long something lasted.
fn patient(mut lines: Lines, about_readiness: bool) -> Lines {
    // Otherwise it is the machine's business whether a tick came before the pods.
    if !about_readiness {
        lines.retain(|it| !it.ends_with("not ready: waiting for rollout to finish"));
    }
    let lasting = ["metrics providers are available", "not ready", "is suspended"];
    lines.dedup_by(|next, last| next == last && lasting.iter().any(|it| next.contains(it)));
    lines
}

fn status(status: &Value, hashes: &mut Numbering) -> String {
    let condition = &status["conditions"][0];
    let tracked = status["trackedConfigs"].as_object();
    let tracked: Vec<String> =
        tracked.into_iter().flatten().map(|(name, hash)| format!("{name}={}", hashes.name(hash))).collect();
    let cookies = ["sessionAffinityCookie", "primarySessionAffinityCookie", "previousSessionAffinityCookie"];
    let cookies: Vec<String> = cookies.iter().map(|it| cookie(status[*it].as_str().unwrap_or_default())).collect();
    format!(
        "{} weight {} failed {} iterations {} applied {} promoted {} tracked {} [{}] cookies [{}] {}={} {}: {}",
        status["phase"],
        status["canaryWeight"],
        status["failedChecks"],
        status["iterations"],
        hashes.name(&status["lastAppliedSpec"]),
        hashes.name(&status["lastPromotedSpec"]),
        status["trackedConfigs"].is_object(),
        tracked.join(" "),
        cookies.join(","),
        condition["type"],
        condition["status"],
        condition["reason"],
        condition["message"],
    )
}

/// Cookies' random values, as `name=value` and in regular expressions.
fn cookie(text: &str) -> String {
    static VALUE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(^|side|main)(=|\.\*)[A-Za-z0-9]{10}\b"));
    VALUE.replace_all(text, "$1$2#").into_owned()
}

/// What a router reads.
fn route(object: &Value) -> String {
    if object["kind"] == "Ingress" {
        let annotations = object["metadata"]["annotations"].as_object();
        let canary = annotations.into_iter().flatten().filter(|(name, _)| name.contains("/canary"));
        let canary: BTreeMap<_, _> =
            canary.map(|(name, value)| (name.rsplit('/').next().unwrap_or_default(), value)).collect();
        return json!(canary).to_string();
    }
    cookie(&sorted(&object["spec"]).to_string())
}

fn payload(body: &Value, checksums: &mut Numbering) -> String {
    let mut body = body.clone();
    body["checksum"] = checksums.name(&body["checksum"]).into();
    sorted(&body).to_string()
}

/// Each object on a line: its name and everything that is not the server's own.
fn objects(objects: &[Value]) -> Lines {
    let mut lines: Lines = objects.iter().filter_map(object).collect();
    lines.sort();
    lines.dedup();
    lines
}

fn object(object: &Value) -> Option<String> {
    let mut object = object.clone();
    if object["kind"] == "Event" {
        return event_object(&object);
    }
    let name = format!("{} {}", object["kind"].as_str()?, object["metadata"]["name"].as_str()?);
    let fields = object.as_object_mut()?;
    for key in ["status", "kind", "apiVersion"] {
        fields.shift_remove(key);
    }
    let metadata = object["metadata"].as_object_mut()?;
    for key in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
    ] {
        metadata.shift_remove(key);
    }
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        owner["uid"] = "#".into();
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove("deployment.kubernetes.io/revision");
    }
    for (pointer, with) in [
        ("/spec/clusterIP", json!("#")),
        ("/spec/clusterIPs", json!(["#"])),
        ("/spec/template/metadata/annotations/flagger-id", json!("#")),
    ] {
        if let Some(value) = object.pointer_mut(pointer) {
            *value = with;
        }
    }
    Some(format!("{name} {}", cookie(&sorted(&object).to_string())))
}

/// The form of Flagger's Kubernetes Events; their texts are compared where they are complete, in the event webhook.
fn event_object(event: &Value) -> Option<String> {
    if event["involvedObject"]["kind"] != "Canary" {
        return None;
    }
    let mut event = event.clone();
    for key in ["metadata", "message", "count", "kind", "apiVersion"] {
        event.as_object_mut()?.shift_remove(key);
    }
    for key in ["firstTimestamp", "lastTimestamp"] {
        event[key] = event[key].is_string().into();
    }
    for key in ["uid", "resourceVersion"] {
        event["involvedObject"][key] = event["involvedObject"][key].is_string().into();
    }
    Some(format!("Event {}", sorted(&event)))
}

/// Flagger's series of one namespace with their values; of times and measurements only that there are any.
fn series(metrics: &str, namespace: &str) -> Lines {
    let of = format!("namespace=\"{namespace}\"");
    let ours = metrics.lines().filter(|it| it.starts_with("flagger_") && it.contains(&of));
    let mut lines: Lines = ours
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let (name, labels) = name.split_once('{')?;
            let mut labels: Vec<&str> = labels.trim_end_matches('}').split("\",").collect();
            labels.sort_unstable();
            let measured = [
                "flagger_canary_duration_seconds_bucket",
                "flagger_canary_duration_seconds_sum",
                "flagger_canary_metric_analysis",
            ];
            let value = if measured.contains(&name) { "#" } else { value };
            Some(format!("{name} {} {value}", labels.join("\",")))
        })
        .collect();
    lines.sort();
    lines
}

/// Objects with their keys in order, at every depth.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<&String, Value> = map.iter().map(|(key, it)| (key, sorted(it))).collect();
            json!(ordered)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
