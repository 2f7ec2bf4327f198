//! A release as a strategic-merge patch for the target Deployment, and the faults that live in its pod template.

use super::format::{At, ReleaseFile, TemplateFault};
use crate::model::fault::FaultKind;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A tag that no registry has: what an image-pull fault releases.
pub const MISSING_TAG: &str = "coalmine-no-such-tag";
/// An argument that podinfo does not know, so it prints its usage and exits with code 2.
pub const UNKNOWN_FLAG: &str = "--coalmine-unknown-flag";
/// podinfo's own way to be never ready: `/readyz` answers 503.
pub const UNREADY_ENV: &str = "PODINFO_UNREADY";
/// How late a slow-start fault makes the app ready where the scenario does not say.
pub const SLOW_START: Duration = Duration::from_secs(45);

/// The container that releases change, as far as they change it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Container {
    pub name: String,
    /// Image without its tag.
    pub repository: String,
    /// Empty where the image has none.
    pub tag: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// Seconds; none where the readiness probe does not say.
    pub initial_delay: Option<i64>,
    /// Whether a never-ready fault is in it.
    pub unready: bool,
}

impl Container {
    /// The first container of a Deployment; none where it has no container with a name.
    pub fn of(deployment: &Value) -> Option<Self> {
        let container = deployment.pointer("/spec/template/spec/containers/0")?;
        let words = |key: &str| -> Vec<String> {
            let list = container[key].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (repository, tag) = split_image(container["image"].as_str().unwrap_or_default());
        Some(Self {
            name: container["name"].as_str()?.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            command: words("command"),
            args: words("args"),
            initial_delay: container.pointer("/readinessProbe/initialDelaySeconds").and_then(Value::as_i64),
            unready: false,
        })
    }

    /// The same with the faults of a release in it.
    fn with_faults(mut self, faults: &[At<TemplateFault>]) -> Self {
        for fault in faults {
            match fault.kind {
                FaultKind::ImagePull => MISSING_TAG.clone_into(&mut self.tag),
                FaultKind::NeverReady => self.unready = true,
                FaultKind::SlowStart => {
                    self.initial_delay = Some(fault.delay.unwrap_or(SLOW_START).as_secs_f64().ceil() as i64);
                }
                FaultKind::Crash => {
                    // The unknown flag goes where the app's flags are: podinfo's manifests have them in `command`.
                    let flags =
                        if self.args.is_empty() && self.command.len() > 1 { &mut self.command } else { &mut self.args };
                    flags.push(UNKNOWN_FLAG.to_owned());
                }
                FaultKind::Http500
                | FaultKind::Http503
                | FaultKind::Delay
                | FaultKind::Hang
                | FaultKind::ConnectionReset => {}
            }
        }
        self
    }
}

/// Image and tag of `host:5000/name:tag@sha256:…`; the tag can be empty.
pub(super) fn split_image(image: &str) -> (&str, &str) {
    let named = image.split('@').next().unwrap_or_default();
    match named.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (named, ""),
    }
}

/// The target's container from release to release: with and without the faults that the last release brought along, so
/// that the next release mends them.
#[derive(Debug, Clone)]
pub(super) struct Template {
    meant: Container,
    actual: Container,
}

impl Template {
    pub fn new(container: Container) -> Self {
        Self { meant: container.clone(), actual: container }
    }

    /// Tag of the image that runs.
    pub fn tag(&self) -> &str {
        &self.actual.tag
    }

    /// The strategic-merge patch that makes this release, `{}` where it changes nothing. Moves on to the state after it.
    pub fn release(&mut self, release: &ReleaseFile) -> Value {
        if let Some(image) = &release.image {
            let (repository, tag) = split_image(image);
            (self.meant.repository, self.meant.tag) = (repository.to_owned(), tag.to_owned());
        }
        if let Some(tag) = &release.tag {
            self.meant.tag.clone_from(tag);
        }
        if let Some(args) = &release.args {
            self.meant.args.clone_from(args);
        }
        let after = self.meant.clone().with_faults(&release.faults);
        let before = std::mem::replace(&mut self.actual, after);
        wrap(release, difference(&before, &self.actual, release), &before.name)
    }
}

/// What a strategic-merge patch has to say about the container.
fn difference(before: &Container, after: &Container, release: &ReleaseFile) -> Map<String, Value> {
    let mut fields = Map::new();
    if (&after.repository, &after.tag) != (&before.repository, &before.tag) {
        fields.insert("image".to_owned(), format!("{}:{}", after.repository, after.tag).into());
    }
    if after.command != before.command {
        fields.insert("command".to_owned(), after.command.clone().into());
    }
    if after.args != before.args {
        fields.insert("args".to_owned(), after.args.clone().into());
    }
    if after.initial_delay != before.initial_delay {
        // Only this field: the merge keeps the rest of the probe, and null takes it out.
        fields.insert("readinessProbe".to_owned(), json!({"initialDelaySeconds": after.initial_delay}));
    }
    let mut env: Vec<Value> =
        release.env.iter().map(|(name, value)| json!({"name": name, "value": value.value})).collect();
    match (before.unready, after.unready) {
        (false, true) => env.push(json!({"name": UNREADY_ENV, "value": "true"})),
        (true, false) => env.push(json!({"name": UNREADY_ENV, "$patch": "delete"})),
        _ => {}
    }
    if !env.is_empty() {
        fields.insert("env".to_owned(), env.into());
    }
    fields
}

/// Puts the container's changes where they belong; `{}` where nothing changes.
fn wrap(release: &ReleaseFile, mut container: Map<String, Value>, name: &str) -> Value {
    let mut template = Map::new();
    if !release.annotations.is_empty() {
        template.insert("metadata".to_owned(), json!({"annotations": release.annotations}));
    }
    if !container.is_empty() {
        // The merge key of the containers list.
        container.insert("name".to_owned(), name.into());
        template.insert("spec".to_owned(), json!({"containers": [container]}));
    }
    if template.is_empty() { json!({}) } else { json!({"spec": {"template": template}}) }
}
