//! Whatever makes pods, and what scales it.

use super::pod::template;
use super::{absent, each, object, object_or_new, text};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

pub fn deployment(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "replicas", 1);
    absent(spec, "revisionHistoryLimit", 10);
    absent(spec, "progressDeadlineSeconds", 600);
    let Some(strategy) = object_or_new(spec, "strategy") else { return };
    absent(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = object_or_new(strategy, "rollingUpdate")
    {
        absent(rolling, "maxUnavailable", "25%");
        absent(rolling, "maxSurge", "25%");
    }
    template(spec);
}

pub fn replica_set(root: &mut Object) {
    if let Some(spec) = object(root, "spec") {
        absent(spec, "replicas", 1);
        template(spec);
    }
}

/// The oldest of them takes labels and selector from its template.
pub fn replication_controller(root: &mut Object) {
    let labels = labels_of_template(root);
    if let Some(labels) = labels
        && let Some(metadata) = object_or_new(root, "metadata")
    {
        absent(metadata, "labels", labels);
    }
    let labels = labels_of_template(root);
    if let Some(spec) = object(root, "spec") {
        if let Some(labels) = labels {
            absent(spec, "selector", labels);
        }
        absent(spec, "replicas", 1);
        template(spec);
    }
}

fn labels_of_template(root: &Object) -> Option<Value> {
    let labels = root.get("spec")?.pointer("/template/metadata/labels")?;
    labels.as_object().filter(|it| !it.is_empty()).map(|it| Value::Object(it.clone()))
}

pub fn daemon_set(root: &mut Object) {
    if let Some(metadata) = object_or_new(root, "metadata")
        && let Some(annotations) = object_or_new(metadata, "annotations")
    {
        absent(annotations, "deprecated.daemonset.template.generation", "1");
    }
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "revisionHistoryLimit", 10);
    if let Some(strategy) = object_or_new(spec, "updateStrategy") {
        absent(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = object_or_new(strategy, "rollingUpdate")
        {
            absent(rolling, "maxUnavailable", 1);
            absent(rolling, "maxSurge", 0);
        }
    }
    template(spec);
}

pub fn stateful_set(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "replicas", 1);
    absent(spec, "serviceName", "");
    absent(spec, "podManagementPolicy", "OrderedReady");
    absent(spec, "revisionHistoryLimit", 10);
    absent(spec, "persistentVolumeClaimRetentionPolicy", json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }));
    if let Some(strategy) = object_or_new(spec, "updateStrategy") {
        absent(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = object_or_new(strategy, "rollingUpdate")
        {
            absent(rolling, "partition", 0);
        }
    }
    for claim in each(spec, "volumeClaimTemplates") {
        absent(claim, "apiVersion", "v1");
        absent(claim, "kind", "PersistentVolumeClaim");
        super::network::claim(claim);
        absent(claim, "status", json!({ "phase": "Pending" }));
    }
    template(spec);
}

fn job_spec(spec: &mut Object) {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        absent(spec, "completions", 1);
    }
    absent(spec, "parallelism", 1);
    absent(spec, "backoffLimit", 6);
    absent(spec, "completionMode", "NonIndexed");
    absent(spec, "suspend", false);
    absent(spec, "manualSelector", false);
    absent(spec, "podReplacementPolicy", "TerminatingOrFailed");
    template(spec);
}

pub fn job(root: &mut Object) {
    let part = |key: &str| root.get("metadata").map_or("", |it| it[key].as_str().unwrap_or_default()).to_owned();
    let (uid, name) = (part("uid"), part("name"));
    let Some(spec) = object(root, "spec") else { return };
    job_spec(spec);
    let manual = spec.get("manualSelector").and_then(Value::as_bool).unwrap_or_default();
    if manual || spec.contains_key("selector") || uid.is_empty() {
        return;
    }
    let labels = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ];
    spec.insert("selector".to_owned(), json!({ "matchLabels": { labels[0].0: uid } }));
    let of_template = object(spec, "template").and_then(|it| object_or_new(it, "metadata"));
    if let Some(of_pods) = of_template.and_then(|it| object_or_new(it, "labels")) {
        for (key, value) in &labels {
            absent(of_pods, key, value.as_str());
        }
    }
    if let Some(own) = object_or_new(root, "metadata").and_then(|it| object_or_new(it, "labels")) {
        for (key, value) in &labels {
            absent(own, key, value.as_str());
        }
    }
}

pub fn cron_job(root: &mut Object) {
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "concurrencyPolicy", "Allow");
    absent(spec, "suspend", false);
    absent(spec, "successfulJobsHistoryLimit", 3);
    absent(spec, "failedJobsHistoryLimit", 1);
    if let Some(job) = object(spec, "jobTemplate") {
        object_or_new(job, "metadata");
        if let Some(job) = object(job, "spec") {
            template(job);
        }
    }
}

pub fn autoscaler(root: &mut Object) {
    if let Some(status) = object(root, "status") {
        // Of these Go writes what is nothing, too.
        absent(status, "desiredReplicas", 0);
        absent(status, "currentMetrics", Value::Null);
    }
    let Some(spec) = object(root, "spec") else { return };
    absent(spec, "minReplicas", 1);
    let on_cpu = json!([{
        "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } }
    }]);
    absent(spec, "metrics", on_cpu);
    let Some(behavior) = object(spec, "behavior") else { return };
    if let Some(up) = object_or_new(behavior, "scaleUp") {
        let policies = json!([
            { "type": "Pods", "value": 4, "periodSeconds": 15 }, { "type": "Percent", "value": 100, "periodSeconds": 15 }
        ]);
        absent(up, "stabilizationWindowSeconds", 0);
        absent(up, "selectPolicy", "Max");
        absent(up, "policies", policies);
    }
    if let Some(down) = object_or_new(behavior, "scaleDown") {
        absent(down, "selectPolicy", "Max");
        absent(down, "policies", json!([{ "type": "Percent", "value": 100, "periodSeconds": 15 }]));
    }
}
