//! Deployments and their kin, jobs, autoscalers.

use super::pod::check_spec;
use super::{Faults, items, name, schedule, text};
use crate::apiserver::kinds::resource as r;
use crate::apiserver::selector::label::LabelSelector;
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};

pub fn check(resource: &str, object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    faults.not_negative("spec.replicas", spec.get("replicas"));
    faults.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"));
    faults.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"));
    check_selector(spec, faults);
    check_template(spec, faults);
    match resource {
        r::DEPLOYMENTS => check_strategy(spec, faults),
        r::STATEFUL_SETS => check_stateful_update(spec, old, faults),
        _ => {}
    }
    if let Some(old) = old {
        faults.immutable("spec.selector", object, old, "/spec/selector");
    }
}

fn check_selector(spec: &Value, faults: &mut Faults) {
    let Some(selector) = spec.get("selector") else {
        faults.required("spec.selector", "");
        return;
    };
    let is_empty = |key: &str| {
        selector.get(key).is_none_or(|it| {
            matches!(it, Value::Object(map) if map.is_empty()) || matches!(it, Value::Array(list) if list.is_empty())
        })
    };
    if is_empty("matchLabels") && is_empty("matchExpressions") {
        faults.invalid("spec.selector", selector, "empty selector is invalid for deployment");
    }
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        for fault in name::label_value_faults(value.as_str().unwrap_or_default()) {
            faults.invalid("spec.selector.matchLabels", value, &fault);
        }
        for fault in name::qualified_name_faults(key) {
            faults.invalid("spec.selector.matchLabels", &json!(key), &fault);
        }
    }
    for (index, expression) in items(selector, "matchExpressions").iter().enumerate() {
        let field = format!("spec.selector.matchExpressions[{index}]");
        let values = items(expression, "values").len();
        match text(expression, "operator") {
            "In" | "NotIn" if values == 0 => {
                faults.required(&format!("{field}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                faults.add(FieldError::forbidden(format!("{field}.values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => faults.invalid(&format!("{field}.operator"), &json!(other), "not a valid selector operator"),
        }
    }
}

fn check_template(spec: &Value, faults: &mut Faults) {
    let empty = json!({});
    let template = spec.get("template").unwrap_or(&empty);
    let labels = template.pointer("/metadata/labels");
    // No selector at all selects nothing.
    if spec.get("selector").is_none_or(|it| !LabelSelector::from_object(it).matches(labels)) {
        let detail = "`selector` does not match template `labels`";
        faults.invalid("spec.template.metadata.labels", labels.unwrap_or(&Value::Null), detail);
    }
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        for fault in name::qualified_name_faults(key) {
            faults.invalid("spec.template.labels", &json!(key), &fault);
        }
        for fault in name::label_value_faults(value.as_str().unwrap_or_default()) {
            faults.invalid("spec.template.labels", value, &fault);
        }
    }
    let pod = template.get("spec").unwrap_or(&empty);
    check_spec(pod, "spec.template.spec", faults);
    let policy = pod.get("restartPolicy").and_then(Value::as_str).unwrap_or("Always");
    if policy != "Always" {
        let field = "spec.template.spec.restartPolicy";
        faults.add(FieldError::unsupported(field, &json!(policy), &["Always"]));
    }
}

fn check_strategy(spec: &Value, faults: &mut Faults) {
    let Some(strategy) = spec.get("strategy") else { return };
    let rolling = strategy.get("rollingUpdate");
    let kinds = ["Recreate", "RollingUpdate"];
    if !kinds.contains(&text(strategy, "type")) {
        let shown = json!({ "Type": text(strategy, "type"), "RollingUpdate": rolling });
        faults.add(FieldError::unsupported("spec.strategy", &shown, &kinds));
    }
    match (text(strategy, "type"), rolling) {
        ("Recreate", Some(_)) => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            faults.add(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        }
        ("RollingUpdate", Some(rolling)) => {
            let is_zero = |key: &str| matches!(rolling.get(key), Some(it) if *it == json!(0) || *it == json!("0%"));
            for key in ["maxUnavailable", "maxSurge"] {
                check_share(rolling.get(key), &format!("spec.strategy.rollingUpdate.{key}"), faults);
            }
            if is_zero("maxUnavailable") && is_zero("maxSurge") {
                let value = rolling.get("maxUnavailable").unwrap_or(&Value::Null);
                let detail = "may not be 0 when `maxSurge` is 0";
                faults.invalid("spec.strategy.rollingUpdate.maxUnavailable", value, detail);
            }
        }
        _ => {}
    }
    let number = |key: &str| spec.get(key).and_then(Value::as_i64).unwrap_or(0);
    if number("progressDeadlineSeconds") <= number("minReadySeconds") && spec.get("progressDeadlineSeconds").is_some() {
        let value = &spec["progressDeadlineSeconds"];
        faults.invalid("spec.progressDeadlineSeconds", value, "must be greater than minReadySeconds");
    }
}

/// A number of pods or a percentage of them.
fn check_share(value: Option<&Value>, field: &str, faults: &mut Faults) {
    match value {
        Some(Value::String(text)) => {
            let digits = text.strip_suffix('%').filter(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()));
            if digits.is_none() {
                let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                    '93%', regex used for validation is '[0-9]+%')";
                faults.invalid(field, &json!(text), detail);
            }
        }
        other => faults.not_negative(field, other),
    }
}

fn check_stateful_update(spec: &Value, old: Option<&Value>, faults: &mut Faults) {
    let Some(old) = old.and_then(|it| it.get("spec")) else { return };
    let fixed = ["serviceName", "podManagementPolicy", "volumeClaimTemplates"];
    if fixed.iter().any(|it| spec.get(*it) != old.get(*it)) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
            'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
            forbidden";
        faults.add(FieldError::forbidden("spec", detail));
    }
}

pub fn check_job(object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    for key in ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds"] {
        faults.not_negative(&format!("spec.{key}"), spec.get(key));
    }
    check_job_template(spec, "spec.template.spec", faults);
    if let Some(old) = old {
        faults.immutable("spec.selector", object, old, "/spec/selector");
        faults.immutable("spec.template", object, old, "/spec/template");
    }
}

fn check_job_template(spec: &Value, path: &str, faults: &mut Faults) {
    let empty = json!({});
    let pod = spec.pointer("/template/spec").unwrap_or(&empty);
    check_spec(pod, path, faults);
    let policy = pod.get("restartPolicy").and_then(Value::as_str).unwrap_or("Always");
    if policy == "Always" {
        let field = format!("{path}.restartPolicy");
        faults.add(FieldError::required(field, "valid values: \"OnFailure\", \"Never\""));
    }
}

pub fn check_cron_job(object: &Value, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        faults.required("spec.schedule", "");
    } else if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        faults.invalid("spec.schedule", &json!(schedule), detail);
    } else if let Some(fault) = schedule::fault(schedule) {
        faults.invalid("spec.schedule", &json!(schedule), &fault);
    }
    faults.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    let job = spec.pointer("/jobTemplate/spec").unwrap_or(&empty);
    check_job_template(job, "spec.jobTemplate.spec.template.spec", faults);
}

pub fn check_autoscaler(object: &Value, faults: &mut Faults) {
    let empty = json!({});
    let spec = object.get("spec").unwrap_or(&empty);
    let number = |key: &str| spec.get(key).and_then(Value::as_i64);
    let (min, max) = (number("minReplicas").unwrap_or(1), number("maxReplicas").unwrap_or(0));
    if min < 1 {
        faults.invalid("spec.minReplicas", &json!(min), "must be greater than or equal to 1");
    }
    if max < 1 {
        faults.invalid("spec.maxReplicas", &json!(max), "must be greater than 0");
    }
    if max < min {
        faults.invalid("spec.maxReplicas", &json!(max), "must be greater than or equal to `minReplicas`");
    }
    let target = spec.get("scaleTargetRef").unwrap_or(&empty);
    for key in ["kind", "name"] {
        if text(target, key).is_empty() {
            faults.required(&format!("spec.scaleTargetRef.{key}"), "");
        }
    }
    for (index, metric) in items(spec, "metrics").iter().enumerate() {
        check_metric(metric, &format!("spec.metrics[{index}]"), faults);
    }
}

fn check_metric(metric: &Value, field: &str, faults: &mut Faults) {
    let part = match text(metric, "type") {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        other => {
            let kinds = ["ContainerResource", "External", "Object", "Pods", "Resource"];
            faults.add(FieldError::unsupported(format!("{field}.type"), &json!(other), &kinds));
            return;
        }
    };
    let Some(source) = metric.get(part) else {
        let detail = format!("must populate information for the given metric source: {part}");
        faults.required(&format!("{field}.{part}"), &detail);
        return;
    };
    let target = source.get("target").unwrap_or(&Value::Null);
    if let Some(share) = target.get("averageUtilization").filter(|it| it.as_i64().is_some_and(|it| it < 1)) {
        faults.invalid(&format!("{field}.{part}.target.averageUtilization"), share, "must be greater than 0");
    }
    let has = |key: &str| target.get(key).is_some();
    if part.to_lowercase().ends_with("resource") && !has("averageUtilization") && !has("averageValue") {
        let detail = "must specify either a target raw value or a target utilization";
        faults.required(&format!("{field}.{part}.target.averageUtilization"), detail);
    }
}
