//! The language between the judge and whoever carries out what it asks: one closed list each of questions, of things told,
//! and of answers.
//!
//! An [`Ask`] is answered by exactly one [`Answer`], of the kind its documentation names; a failure is an answer too. A
//! [`Tell`] has no answer: the judge never depends on whether it worked.

use crate::model::canary::{Canary, Phase, Webhook};
use crate::model::object::ObjectRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whose tick it is, when, and under which settings. The same for all calls of one tick.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    /// When the tick began. Deadlines are measured against it.
    pub now: Timestamp,
    pub settings: &'a Settings,
}

/// The controller's flags, as far as decisions depend on them, with Flagger's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// `-mesh-provider`: for Canaries that name no provider.
    pub mesh_provider: String,
    /// `-metrics-server`: Prometheus base URL for Canaries that name none.
    pub metrics_server: String,
    /// `-selector-labels`
    pub selector_labels: Vec<String>,
    /// `-ingress-annotations-prefix`
    pub ingress_annotations_prefix: String,
    /// `-enable-config-tracking`
    pub config_tracking: bool,
    /// `-include-label-prefix`: prefixes of labels (and annotations) that the primary keeps; `*` keeps all.
    pub include_label_prefix: Vec<String>,
    /// `-no-cross-namespace-refs`
    pub no_cross_namespace_refs: bool,
    /// `-cluster-name`: the first field of alerts where it is not empty.
    pub cluster_name: String,
}

/// `-ingress-annotations-prefix` where it is not set.
pub const INGRESS_PREFIX: &str = "nginx.ingress.kubernetes.io";

impl Default for Settings {
    fn default() -> Self {
        Self {
            mesh_provider: "istio".to_owned(),
            metrics_server: "http://prometheus:9090".to_owned(),
            selector_labels: ["app", "name", "app.kubernetes.io/name"].map(str::to_owned).to_vec(),
            ingress_annotations_prefix: INGRESS_PREFIX.to_owned(),
            config_tracking: true,
            include_label_prefix: Vec::new(),
            no_cross_namespace_refs: false,
            cluster_name: String::new(),
        }
    }
}

/// What the judge wants next. First carry out `tell` in order, then `next`.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// New since the previous call, in order.
    pub tell: Vec<Tell>,
    pub next: Next,
}

/// The end of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Carry this out, append its answer, call again.
    Ask(Ask),
    /// The tick is over.
    Done(Outcome),
}

/// A question, or an act whose result the judge needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// The Canary of the [`Input`]. → [`Answer::Canary`]
    Canary,
    /// An object; a missing one is `None`. → [`Answer::Object`]
    Read(ObjectRef),
    /// Change an object. → [`Answer::Written`]
    Write(Write),
    /// Change the Canary's status: [`StatusWrite::apply`] on a freshly read object and the current time, written to the
    /// status subresource; on a conflict again (4 attempts in all, 10 ms, 50 ms, 250 ms apart). → [`Answer::Written`]
    Status(StatusWrite),
    /// Call a webhook; an error is its text as Flagger would print it. → [`Answer::Carried`]
    Hook(Box<HookCall>),
    /// Ask a metrics server for one value. → [`Answer::Value`]
    Query(Query),
    /// Ask a metrics server whether it is there (`vector(1)` must give 1). → [`Answer::Carried`]
    Ping(MetricServer),
    /// A random (version 4) UUID for the annotation `flagger-id`. → [`Answer::Text`]
    FlaggerId,
    /// A random session cookie value: ten letters and digits. → [`Answer::Text`]
    Cookie,
    /// Let this much time pass. → [`Answer::Carried`]
    Wait(Duration),
}

/// How an object is changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Write {
    /// POST; the object names its own kind and place.
    Create(Value),
    /// PUT; the object carries the `resourceVersion` it was read with.
    Replace(Value),
    /// PATCH with `application/merge-patch+json`.
    MergePatch { target: ObjectRef, patch: Value },
}

/// What came of an [`Ask`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Canary(Result<Option<Box<Canary>>, ApiError>),
    Object(Result<Option<Value>, ApiError>),
    Written(Result<(), ApiError>),
    /// For [`Ask::Hook`], [`Ask::Ping`] and [`Ask::Wait`]; the error is its text.
    Carried(Result<(), String>),
    Value(Result<f64, QueryError>),
    Text(String),
}

/// Why the Kubernetes API refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ApiError {
    pub reason: ApiReason,
    /// The API server's own message: `deployments.apps "podinfo" not found`. Events carry it.
    pub message: String,
}

/// The refusals that the judge tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiReason {
    NotFound,
    Conflict,
    AlreadyExists,
    Other,
}

/// One PromQL query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    pub server: MetricServer,
    pub query: String,
}

/// A metrics server, with what is needed to speak to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricServer {
    /// Base URL.
    pub address: String,
    /// Sent with each request.
    pub headers: BTreeMap<String, Vec<String>>,
    /// `Authorization: Bearer`, where it is not empty.
    pub token: String,
    /// Basic authentication, where the user name is not empty.
    pub username: String,
    pub password: String,
    pub insecure_skip_verify: bool,
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum QueryError {
    /// No element, or NaN.
    #[error("no values found")]
    NoValues,
    /// Anything else, in Flagger's words (`error response: Status 503 Service Unavailable: …`).
    #[error("{0}")]
    Failed(String),
}

/// A webhook call with its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookCall {
    /// Address, timeout (10 s where it is empty or unreadable), retries.
    pub hook: Webhook,
    /// The JSON body.
    pub payload: Value,
}

/// A write of the Canary's status. Which fields each touches is Flagger's own table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StatusWrite {
    /// Everything at once, with the template's hash and the tracked configs as they are now.
    Sync(Sync),
    SetPhase(Phase),
    /// Phase WaitingPromotion, weight zero, and these iterations: one less than the policy's, so -1 for a weighted canary.
    WaitForPromotion {
        iterations: i64,
    },
    SetWeight(i64),
    SetIterations(i64),
    SetFailedChecks(i64),
    /// What the informer writes on an object that has no conditions yet.
    SetInitializing,
    /// Another write, and the session cookies that the router came to hold earlier in the tick.
    WithCookies {
        cookies: SessionCookies,
        write: Box<StatusWrite>,
    },
}

/// Cookies of session affinity, `name=value`; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCookies {
    pub canary: String,
    pub primary: String,
    /// Of the run before: clients that still carry it are told to forget it.
    pub previous: String,
}

/// The values of [`StatusWrite::Sync`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    pub phase: Phase,
    pub weight: i64,
    pub failed_checks: i64,
    pub iterations: i64,
    /// Hash of the target's pod template.
    pub last_applied: String,
    pub tracked_configs: Option<BTreeMap<String, String>>,
}

/// Something that the world is told and the judge does not wait for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Tell {
    /// A Kubernetes Event on the Canary, its log line, and its event webhooks (`hooks::event_calls`).
    Event(Event),
    /// An alert to those who want it (`alerts::receivers`).
    Alert(Alert),
    /// A change of Flagger's own metrics.
    Meter(Meter),
    Log {
        level: LogLevel,
        message: String,
        /// Whether the line has the Canary in a field of its own; Flagger leaves it out of some.
        named: bool,
    },
}

/// A Kubernetes Event (reason `Synced`, component `flagger`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub level: Level,
    pub message: String,
    /// Phase of the object that the event is about: what event webhooks carry.
    pub phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Type Normal, logged at info.
    Normal,
    /// Type Warning, logged at info.
    Warning,
    /// Type Warning, logged at error.
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    Debug,
    Info,
    Error,
}

/// An alert's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub severity: Severity,
    pub message: String,
    /// Name and value, in order.
    pub fields: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    Info,
    Warn,
    Error,
}

/// A change of one of Flagger's own metrics. Their label `name` is the target's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Meter {
    /// `flagger_canary_status`: 0 Progressing, 2 Failed, 1 anything else.
    Status { value: i64 },
    /// `flagger_canary_weight` of `{target}-primary` and `{target}`, percent.
    Weight { primary: i64, canary: i64 },
    /// `flagger_canary_metric_analysis`; request-duration in seconds.
    Analysis { metric: String, value: f64 },
    /// When this tick ends, `flagger_canary_duration_seconds` observes the time since it began.
    ObserveDuration,
    /// One more in `flagger_canary_successes_total`.
    Succeeded { strategy: Strategy, analysis: AnalysisStatus },
    /// One more in `flagger_canary_failures_total`.
    Failed { strategy: Strategy, analysis: AnalysisStatus },
}

/// How traffic is moved: label `deployment_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    Canary,
    BlueGreen,
    AbTesting,
}

impl Strategy {
    /// Flagger's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::BlueGreen => "blue-green",
            Self::AbTesting => "ab-testing",
        }
    }
}

/// Whether an analysis ran: label `analysis_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnalysisStatus {
    Completed,
    Skipped,
}

impl AnalysisStatus {
    /// Flagger's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Skipped => "skipped",
        }
    }
}

/// Where a tick ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// After this step; nothing else happens until the next tick.
    Ended(Step),
    /// For acts that are not ticks (deletion): it failed in these words and is to be tried again.
    Failed(String),
    /// The answer at this place (0-based) is not of the kind that was asked for: these are not the answers of this tick.
    Mismatch { at: usize, asked: String },
}

/// The numbered steps of a tick (reference section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Step {
    Read = 1,
    Suspended,
    Provider,
    TargetMetadata,
    Services,
    MetricServers,
    Mesh,
    PrimaryWorkload,
    Autoscaler,
    ApexService,
    ScaleDown,
    Router,
    Initialized,
    ShouldAdvance,
    PrimaryReady,
    Routes,
    Start,
    Restart,
    CanaryReady,
    SkipAnalysis,
    RollbackHooks,
    Promoting,
    Finalising,
    Threshold,
    Timer,
    Analysis,
    Fixups,
    Strategy,
}
