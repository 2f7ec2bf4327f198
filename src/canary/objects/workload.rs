//! The primary Deployment: a copy of the target under its own label, with its own configuration.

use super::{TOOLKIT_MARKER, copy_fields, owner, without_toolkit};
use crate::canary::ask::Settings;
use crate::canary::context::{Target, strings};
use crate::canary::detect::{ConfigKind, Tracked};
use crate::model::canary::Canary;
use crate::model::object::Labels;
use serde_json::{Value, json};

/// Copied as they are from the target, at creation and at each promotion.
const COPIED: [&str; 4] = ["progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy"];

/// What the primary is copied from.
#[derive(Debug, Clone, Copy)]
pub(in crate::canary) struct Source<'s> {
    pub(in crate::canary) canary: &'s Canary,
    pub(in crate::canary) settings: &'s Settings,
    pub(in crate::canary) target: Target<'s>,
    pub(in crate::canary) configs: &'s [Tracked<'s>],
    /// Forces a rolling update even where the template is the same.
    pub(in crate::canary) flagger_id: &'s str,
}

impl Source<'_> {
    fn primary_value(&self) -> String {
        format!("{}-primary", self.target.value)
    }

    /// The target's replicas, 1 where it has none.
    fn replicas(&self) -> i64 {
        self.target.deployment["spec"]["replicas"].as_i64().filter(|it| *it > 0).unwrap_or(1)
    }

    /// `labels` without the target's own and Flux', with the primary's.
    fn primary_labels(&self, labels: &Labels) -> Labels {
        let mut kept = without_toolkit(labels);
        kept.insert(self.target.label.to_owned(), self.primary_value());
        kept
    }

    /// Deployment-level labels or annotations that the settings include.
    fn included(&self, labels: &Value) -> Labels {
        let prefixes = &self.settings.include_label_prefix;
        let wanted = |key: &str| prefixes.iter().any(|it| it == "*" || key.starts_with(it.as_str()));
        strings(labels).into_iter().filter(|(key, _)| wanted(key) && !key.contains(TOOLKIT_MARKER)).collect()
    }

    fn template(&self) -> Value {
        let template = &self.target.deployment["spec"]["template"];
        let mut annotations = without_toolkit(&strings(&template["metadata"]["annotations"]));
        annotations.insert("flagger-id".to_owned(), self.flagger_id.to_owned());
        let mut pod = template["spec"].clone();
        rename_configs(&mut pod, self.configs);
        rename_selectors(&mut pod, self);
        let labels = self.primary_labels(&strings(&template["metadata"]["labels"]));
        json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": pod})
    }
}

/// The primary as it is created.
pub(in crate::canary) fn create(source: &Source<'_>) -> Value {
    let Source { canary, target, .. } = source;
    let metadata = &target.deployment["metadata"];
    let mut primary = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": format!("{}-primary", canary.spec.target_ref.name),
            "namespace": canary.namespace(),
            "labels": source.primary_labels(&source.included(&metadata["labels"])),
            "annotations": without_toolkit(&strings(&metadata["annotations"])),
            "ownerReferences": owner(canary),
        },
        "spec": {
            "replicas": source.replicas(),
            "selector": {"matchLabels": {target.label: source.primary_value()}},
            "template": source.template(),
        },
    });
    copy_spec(&mut primary, target.deployment);
    primary
}

/// The primary with the target's template: what a promotion writes.
pub(in crate::canary) fn promote(primary: &Value, source: &Source<'_>) -> Value {
    let metadata = &source.target.deployment["metadata"];
    let mut promoted = primary.clone();
    promoted["metadata"]["labels"] = json!(source.primary_labels(&source.included(&metadata["labels"])));
    promoted["metadata"]["annotations"] = json!(source.included(&metadata["annotations"]));
    promoted["spec"]["template"] = source.template();
    if source.canary.spec.autoscaler_ref.is_none() {
        promoted["spec"]["replicas"] = json!(source.replicas());
    }
    copy_spec(&mut promoted, source.target.deployment);
    promoted
}

fn copy_spec(primary: &mut Value, target: &Value) {
    if let Some(spec) = primary["spec"].as_object_mut() {
        copy_fields(&target["spec"], spec, &COPIED);
    }
}

/// Points every reference to a tracked config at its copy.
fn rename_configs(pod: &mut Value, configs: &[Tracked<'_>]) {
    use ConfigKind::{ConfigMap, Secret};
    let rename = |reference: Option<&mut Value>, field: &str, kind: ConfigKind| {
        let Some(Value::String(name)) = reference.and_then(|it| it.get_mut(field)) else { return };
        if configs.iter().any(|it| it.kind == kind && it.name == name.as_str()) {
            name.push_str("-primary");
        }
    };
    for volume in items(pod.get_mut("volumes")) {
        rename(volume.get_mut("configMap"), "name", ConfigMap);
        rename(volume.get_mut("secret"), "secretName", Secret);
        for source in items(volume.pointer_mut("/projected/sources")) {
            rename(source.get_mut("configMap"), "name", ConfigMap);
            rename(source.get_mut("secret"), "name", Secret);
        }
    }
    for list in ["containers", "initContainers"] {
        for container in items(pod.get_mut(list)) {
            for variable in items(container.get_mut("env")) {
                rename(variable.pointer_mut("/valueFrom/configMapKeyRef"), "name", ConfigMap);
                rename(variable.pointer_mut("/valueFrom/secretKeyRef"), "name", Secret);
            }
            for source in items(container.get_mut("envFrom")) {
                rename(source.get_mut("configMapRef"), "name", ConfigMap);
                rename(source.get_mut("secretRef"), "name", Secret);
            }
        }
    }
}

/// Anti-affinity and topology spread that name the target by a selector label name the primary instead.
fn rename_selectors(pod: &mut Value, source: &Source<'_>) {
    let anti = "/affinity/podAntiAffinity";
    for term in items(pod.pointer_mut(&format!("{anti}/requiredDuringSchedulingIgnoredDuringExecution"))) {
        rename_selector(term.get_mut("labelSelector"), source);
    }
    for term in items(pod.pointer_mut(&format!("{anti}/preferredDuringSchedulingIgnoredDuringExecution"))) {
        rename_selector(term.pointer_mut("/podAffinityTerm/labelSelector"), source);
    }
    for constraint in items(pod.get_mut("topologySpreadConstraints")) {
        rename_selector(constraint.get_mut("labelSelector"), source);
    }
}

fn rename_selector(selector: Option<&mut Value>, source: &Source<'_>) {
    let Some(selector) = selector else { return };
    let name = source.canary.spec.target_ref.name.as_str();
    let is_label = |key: &str| source.settings.selector_labels.iter().any(|it| it == key);
    let rename = |value: &mut Value| {
        if value == name {
            *value = json!(format!("{name}-primary"));
        }
    };
    for expression in items(selector.get_mut("matchExpressions")) {
        if is_label(expression["key"].as_str().unwrap_or_default()) {
            items(expression.get_mut("values")).iter_mut().for_each(rename);
        }
    }
    if let Some(labels) = selector.get_mut("matchLabels").and_then(Value::as_object_mut) {
        labels.iter_mut().filter(|(key, _)| is_label(key)).for_each(|(_, value)| rename(value));
    }
}

fn items(list: Option<&mut Value>) -> &mut [Value] {
    list.and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}
