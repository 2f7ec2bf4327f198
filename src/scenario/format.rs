//! The format of a scenario file: these types are its JSON Schema, and what [`super::read`] fills in.
//!
//! Every value that a check may speak about is an [`At`]: it knows its place.

use crate::event::Outcome;
use crate::model::canary::Phase;
use crate::model::fault::{DelaySpec, FaultKind, FaultTarget};
use crate::model::traffic::Arrivals;
use crate::scenario::schema;
use crate::sys::yaml::{Node, Place};
use schemars::JsonSchema;
use std::collections::BTreeMap;
use std::time::Duration;

/// A value and its place in the scenario file.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A coalmine scenario: what is deployed, what is sent, what happens when, and what should be seen.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Scenario", rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// What people type after `coalmine run`: lower case letters, digits and dashes.
    #[schemars(with = "schema::Name")]
    pub name: At<String>,
    /// One line: what this scenario shows.
    #[schemars(with = "String")]
    pub title: At<String>,
    /// A paragraph or two for people.
    #[schemars(default, with = "String")]
    pub description: String,
    /// Kubernetes manifests in the order in which to apply them: names of files, relative to this one, or whole objects.
    #[schemars(with = "Vec<schema::Manifest>", length(min = 1))]
    pub manifests: Vec<Node>,
    /// Name of the Canary that is watched; not needed where the manifests have just one.
    #[schemars(with = "Option<String>")]
    pub canary: Option<At<String>>,
    /// Host header of requests; not needed where the Ingress or the Canary names one.
    #[schemars(with = "Option<String>")]
    pub host: Option<At<String>>,
    /// Streams of requests, from the moment the Canary is Initialized.
    #[schemars(default)]
    pub traffic: Vec<StreamFile>,
    /// Whether all of `traffic` could be read.
    #[schemars(skip)]
    pub traffic_complete: bool,
    /// How long traffic runs before the steps begin. Default 1m.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub warmup: Option<At<Duration>>,
    /// What happens, one after the other. Each is a map with one key, its kind.
    #[schemars(with = "Vec<schema::Step>", length(min = 1))]
    pub steps: Vec<StepAt>,
    /// What should be seen; everything that is left out is not checked.
    #[schemars(default)]
    pub expect: ExpectFile,
    /// A run that is undecided for so long after the steps begin ends as `undecided`. Default 15m.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub time_limit: Option<At<Duration>>,
    /// How long to watch on after the decision. Default 15s.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub settle: Option<At<Duration>>,
}

/// One stream of like requests. They arrive whether or not earlier ones were answered.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Stream", rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamFile {
    /// Name in reports; steps change a stream by it.
    #[schemars(with = "String")]
    pub name: At<String>,
    #[schemars(with = "schema::Arrivals")]
    pub arrivals: At<Arrivals>,
    /// HTTP method. Default GET.
    #[schemars(with = "Option<schema::Method>")]
    pub method: Option<At<String>>,
    /// Host header; default the scenario's.
    #[schemars(with = "Option<String>")]
    pub host: Option<At<String>>,
    /// Path with query. Default `/`.
    #[schemars(with = "Option<schema::Path>")]
    pub path: Option<At<String>>,
    #[schemars(default, with = "BTreeMap<String, schema::Scalar>")]
    pub headers: BTreeMap<String, String>,
    #[schemars(with = "Option<String>")]
    pub body: Option<At<String>>,
    /// A later answer counts as none. Default 5s.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub timeout: Option<At<Duration>>,
}

/// When a step is due; without any of these: at once, after the step above.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(rename = "When", rename_all = "camelCase")]
pub struct WhenFile {
    /// This long after the steps began.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub at: Option<At<Duration>>,
    /// This long after the step above.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub after: Option<At<Duration>>,
    /// As soon as the Canary is in this phase.
    #[schemars(with = "Option<schema::PhaseName>")]
    pub on_phase: Option<At<Phase>>,
    /// As soon as the router sends this weight (percent), or more, to the canary.
    #[schemars(with = "Option<schema::Percentage>")]
    pub on_weight: Option<At<i64>>,
    /// How long to wait for `onPhase` or `onWeight`; if it passes, this step and those below are not taken, and the run
    /// is not as expected. Default 5m.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub within: Option<At<Duration>>,
}

/// One step. Its key is its kind.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Step", rename_all = "camelCase")]
pub enum StepFile {
    /// Change the target Deployment: Flagger takes every change of its pod template, or of a ConfigMap or Secret that it uses, for a new version.
    Release(ReleaseFile),
    /// Break the app while it runs.
    FaultOn(FaultOnFile),
    /// Mend what `faultOn` broke.
    FaultOff(FaultOffFile),
    /// Change what is sent.
    Traffic(TrafficFile),
    /// Let gates (`/gate/check`) pass.
    OpenGate(MomentFile),
    /// Make gates refuse.
    CloseGate(MomentFile),
    /// Roll back by hand, through the Canary's rollback webhook (`/rollback/check`).
    RollBack(MomentFile),
    /// Do nothing until the moment has come.
    Wait(MomentFile),
}

/// A step, where it stands.
#[derive(Debug, Clone)]
pub struct StepAt {
    pub step: StepFile,
    /// Of its kind, the key.
    pub place: Place,
}

/// A step that needs nothing but its moment.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(rename = "Moment", rename_all = "camelCase", deny_unknown_fields, extend("type" = ["object", "null"]))]
pub struct MomentFile {
    #[schemars(flatten)]
    pub when: WhenFile,
}

/// A new version of the app. At least one of its parts must be there.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Release", rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseFile {
    #[schemars(flatten)]
    pub when: WhenFile,
    /// Tag of the image: `6.9.3`. Quote it where it looks like a number.
    #[schemars(with = "Option<String>")]
    pub tag: Option<At<String>>,
    /// Whole image, with its tag.
    #[schemars(with = "Option<String>")]
    pub image: Option<At<String>>,
    /// Environment variables to set.
    #[schemars(default, with = "BTreeMap<String, schema::Scalar>")]
    pub env: BTreeMap<String, At<String>>,
    /// The container's new arguments (all of them).
    pub args: Option<Vec<String>>,
    /// Annotations of the pod template: the least that makes a new version.
    #[schemars(default, with = "BTreeMap<String, schema::Scalar>")]
    pub annotations: BTreeMap<String, String>,
    /// Data to change in ConfigMaps of the manifests: name of the ConfigMap, then key and value.
    #[schemars(default, with = "BTreeMap<String, BTreeMap<String, schema::Scalar>>")]
    pub configs: BTreeMap<String, At<BTreeMap<String, String>>>,
    /// What is wrong with this version from the start: faults that live in the pod template.
    #[schemars(default, with = "Vec<schema::TemplateFault>")]
    pub faults: Vec<At<TemplateFault>>,
    /// Whether all of it could be read.
    #[schemars(skip)]
    pub complete: bool,
}

/// A fault that a release brings along.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateFault {
    pub kind: FaultKind,
    /// For slow-start: how late the app becomes ready.
    pub delay: Option<Duration>,
}

/// A fault that is switched on while the app runs.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "FaultOn", rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultOnFile {
    #[schemars(flatten)]
    pub when: WhenFile,
    #[schemars(with = "schema::RuntimeFault")]
    pub fault: At<FaultKind>,
    /// Share of requests that are hit: `30%` or 0.3. Default all.
    #[schemars(with = "Option<schema::Rate>")]
    pub rate: Option<At<f64>>,
    /// For `delay`: a duration, or a distribution.
    #[schemars(with = "Option<schema::Delay>")]
    pub delay: Option<At<DelaySpec>>,
    /// Turned off again after this time; without it, it stays on.
    #[schemars(rename = "for", with = "Option<schema::GoDuration>")]
    pub lasting: Option<At<Duration>>,
    /// Whose pods. Default the canary's.
    #[schemars(with = "Option<FaultTarget>")]
    pub on: Option<At<FaultTarget>>,
}

/// Which faults to turn off.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "FaultOff", rename_all = "camelCase", deny_unknown_fields, extend("type" = ["object", "null"]))]
pub struct FaultOffFile {
    #[schemars(flatten)]
    pub when: WhenFile,
    /// Default every fault.
    #[schemars(with = "Option<schema::RuntimeFault>")]
    pub fault: Option<At<FaultKind>>,
    /// Whose pods. Default all.
    #[schemars(with = "Option<FaultTarget>")]
    pub on: Option<At<FaultTarget>>,
}

/// A change of traffic.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename = "Traffic", rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficFile {
    #[schemars(flatten)]
    pub when: WhenFile,
    /// Streams to start, or to put in the place of the one with their name.
    #[schemars(default)]
    pub streams: Vec<StreamFile>,
    /// Names of streams that end.
    #[schemars(default, with = "Vec<String>")]
    pub stop: Vec<At<String>>,
}

/// What should be seen.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(rename = "Expect", rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectFile {
    /// How the run ends.
    #[schemars(with = "Option<schema::VerdictName>")]
    pub verdict: Option<At<Outcome>>,
    /// Phases that the Canary goes through in this order; others may come between.
    #[schemars(default, with = "Vec<schema::PhaseName>")]
    pub phases: Vec<At<Phase>>,
    /// The router never sends more than this weight (percent) to the canary.
    #[schemars(with = "Option<schema::Percentage>")]
    pub weight_never_above: Option<At<i64>>,
    /// From the detection of the new revision to phase Succeeded.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub promoted_within: Option<At<Duration>>,
    /// From the detection of the new revision to phase Failed.
    #[schemars(with = "Option<schema::GoDuration>")]
    pub rolled_back_within: Option<At<Duration>>,
    /// Requests with a 5xx or no answer, since the steps began.
    #[schemars(with = "Option<u64>")]
    pub requests_harmed_at_most: Option<At<i64>>,
    /// Texts that occur in the Canary's events; `*` stands for anything.
    #[schemars(default, with = "Vec<String>")]
    pub events: Vec<At<String>>,
    /// Texts that do not occur in the Canary's events.
    #[schemars(default, with = "Vec<String>")]
    pub no_events: Vec<At<String>>,
    /// Highest number of failed checks: one number, or bounds.
    #[schemars(with = "Option<schema::CountOrBounds>")]
    pub failed_checks: Option<At<(i64, i64)>>,
}
