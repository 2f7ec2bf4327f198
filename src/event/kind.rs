//! The closed list of events. One struct each; field units stand in the names.

use crate::model::canary::{Condition, Phase};
use crate::model::fault::{FaultKind, FaultTarget};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    RunStarted(RunStarted),
    LabStep(LabStep),
    ScenarioStarted(ScenarioStarted),
    StepTaken(StepTaken),
    FaultChanged(FaultChanged),
    Reported(Reported),
    StatusChanged(StatusChanged),
    RouteChanged(RouteChanged),
    Measured(Measured),
    Requests(Requests),
    Workload(Workload),
    Pod(Pod),
    Rule(Rule),
    Command(Command),
    Note(Note),
    RunEnded(RunEnded),
}

/// Which clock a run is on. It is said wherever a person looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClockKind {
    Simulated,
    Wall,
}

/// First event of every record: what ran, on what, under which policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStarted {
    pub scenario: String,
    pub title: String,
    /// `embedded`, `kind`, …
    pub lab: String,
    pub clock: ClockKind,
    pub seed: u64,
    /// coalmine's version.
    pub version: String,
    /// RFC 3339 date that stands for the start: fixed on the simulated clock.
    pub started: String,
    pub policy: Policy,
}

/// The Canary's policy, in words and limits, as far as views and reports need it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub canary: String,
    pub namespace: String,
    pub target: String,
    pub provider: String,
    /// `canary`, `blue-green`, `ab-testing`: Flagger's own words.
    pub strategy: String,
    /// Tick period in force, in milliseconds.
    pub interval_ms: u64,
    /// Failed checks before rollback ("strikes").
    pub threshold: i64,
    /// Weight at which the analysis ends, percent; 0 for strategies without weights.
    pub max_weight: i64,
    /// Increments as Flagger will take them: `[10, 20, 30]` are the weights in order.
    pub weights: Vec<i64>,
    pub iterations: i64,
    pub checks: Vec<Check>,
}

/// One metric of the analysis with its limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: String,
    /// `%`, `ms`, or empty.
    pub unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// PromQL window, milliseconds.
    pub window_ms: u64,
}

/// A named step of making (or taking down) the lab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabStep {
    pub name: String,
    pub state: StepState,
    /// What it waits for, or why it failed; can be empty.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    Started,
    Done,
    Failed,
}

/// The lab is ready: scenario time zero. Views count from here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioStarted {
    /// How many steps the plan has.
    pub steps: usize,
}

/// The plan's next step was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepTaken {
    /// 0-based place in the plan.
    pub index: usize,
    pub kind: StepKind,
    /// A sentence for people: `release 6.9.3`, `turn on http-500 at 30 % on the canary`.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    Release,
    Fault,
    Traffic,
    Gate,
    RollBack,
    Wait,
}

/// A fault went on or off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultChanged {
    pub fault: FaultKind,
    pub target: FaultTarget,
    pub on: bool,
    /// Share of requests, 0 to 1.
    pub rate: f64,
    pub detail: String,
}

/// A Kubernetes Event about the Canary, as its controller told it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// Whether it is a Warning (else Normal).
    pub warning: bool,
    /// Flagger's text, word for word, without `(combined from similar events): `.
    pub message: String,
}

/// The Canary's status was written and differs in more than its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusChanged {
    pub phase: Phase,
    pub weight: i64,
    pub failed_checks: i64,
    pub iterations: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// The router's live weights changed (Ingress annotation or HTTPRoute), percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteChanged {
    pub primary: i64,
    pub canary: i64,
}

/// The policy's checks, asked of the lab's Prometheus with the policy's own queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    pub values: Vec<Measurement>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// A [`Check`]'s name.
    pub check: String,
    /// In the check's unit; none when the query has no value (no traffic).
    pub value: Option<f64>,
}

/// What clients saw in one slice of time. Slices do not overlap; an empty slice is not sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// Length of the slice that ends at the envelope's time, milliseconds.
    pub slice_ms: u64,
    /// By version (`6.9.2`); the empty name is answers that no version gave.
    pub versions: BTreeMap<String, Tally>,
}

/// Counts and latency of some requests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// `primary`, `canary`, or empty where it cannot be told.
    pub backend: String,
    pub requests: u64,
    /// No answer, or a 5xx.
    pub harmed: u64,
    /// By HTTP status; `0` is no answer.
    pub by_status: BTreeMap<u16, u64>,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub mean_ms: f64,
    pub max_ms: f64,
    /// Intended start of the last harmed request, milliseconds since the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_harmed_at_ms: Option<u64>,
}

/// A Deployment's counts changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    pub name: String,
    pub version: String,
    pub desired: i64,
    pub ready: i64,
    pub updated: i64,
}

/// A pod appeared, changed its state in words, or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    pub name: String,
    pub version: String,
    pub ready: bool,
    pub restarts: i64,
    /// As kubectl prints it: `Running`, `ImagePullBackOff`, `CrashLoopBackOff`, `Terminating`, `Gone`, …
    pub state: String,
}

/// A Prometheus alert rule began or ceased to fire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub alert: String,
    pub firing: bool,
    pub summary: String,
}

/// A person asked for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// `open the gate`, `roll back`, `quit`.
    pub text: String,
}

/// Something a reader should know that is none of the above: a lossy source, a limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    pub text: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The new version was promoted.
    Promoted,
    /// The new version was rolled back.
    RolledBack,
    /// The scenario's time was up with the release still on its way (waiting at a gate, say).
    Undecided,
    /// A person ended the run.
    Interrupted,
}

impl Outcome {
    /// `promoted`, `rolled back`, `undecided`, `interrupted`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Undecided => "undecided",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Last event of every finished record: verdict, why, and what was expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunEnded {
    pub outcome: Outcome,
    /// One sentence: what happened, with value, limit, strikes and harm.
    pub why: String,
    /// What a person would do next, one sentence.
    pub next: String,
    pub expectations: Vec<Expectation>,
}

impl RunEnded {
    /// Whether all expectations held: exit code 0.
    #[must_use]
    pub fn as_expected(&self) -> bool {
        self.expectations.iter().all(|it| it.met)
    }
}

/// One expectation of the scenario, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expectation {
    /// `verdict is rolled-back`, `weight is never above 10`.
    pub text: String,
    pub met: bool,
    /// What was seen instead, or the value that met it.
    pub seen: String,
}
