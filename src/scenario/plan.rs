//! The plan: a scenario file after all its names are resolved and all its checks are done. What the session plays.

use crate::event::{Outcome, Policy, StepKind};
use crate::model::canary::Phase;
use crate::model::fault::{FaultSpec, FaultTarget};
use crate::model::object::ObjectRef;
use crate::model::traffic::Stream;
use serde_json::Value;
use std::time::Duration;

/// One scenario, ready to be played on any lab. A plan exists only when its file has no errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What people type: `500-storm`.
    pub name: String,
    /// One line: what is shown.
    pub title: String,
    /// Paragraphs for people; can be empty.
    pub description: String,
    /// The Canary's `spec.provider`, never empty: `nginx`, `gatewayapi:v1`, `kubernetes`.
    pub provider: String,
    /// The namespace that the Canary and its target live in.
    pub namespace: String,
    /// Every manifest, in the order in which to apply them: Namespace first, then what others refer to, the Canary last.
    pub objects: Vec<Value>,
    pub canary: ObjectRef,
    /// The Deployment that the Canary watches and releases patch.
    pub target: ObjectRef,
    /// The version that the target runs before the first release: its image's tag.
    pub version: String,
    /// Host header of the Ingress or route, for streams that name none. Can be empty.
    pub host: String,
    /// Base URL of the load tester that gate and roll-back steps speak to (`http://flagger-loadtester.test`), taken from
    /// the Canary's webhooks. None where no webhook has such an address.
    pub load_tester: Option<String>,
    /// Traffic from the moment the Canary is Initialized.
    pub traffic: Vec<Stream>,
    /// How long traffic runs before scenario time zero, so that windows are full when the first step comes.
    pub warmup: Duration,
    pub steps: Vec<PlannedStep>,
    pub expect: Expect,
    /// Since scenario time zero. A run that is still undecided then ends as [`Outcome::Undecided`].
    pub time_limit: Duration,
    /// How long to watch on after the decision: after phase Succeeded or Failed, with no release step left.
    pub settle: Duration,
    /// The Canary's policy in words and limits, for `RunStarted`.
    pub policy: Policy,
}

/// A step with its moment and its sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    pub when: When,
    pub act: Act,
    /// For people: `release 6.9.3`, `turn on http-500 at 30 % on the canary for 1m0s`.
    pub text: String,
}

/// When a step is due. Steps are taken one after the other, in the order of the file: a step is never due before the
/// one above it has been taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// This long after scenario time zero.
    At(Duration),
    /// This long after the step above was taken (for the first step: after time zero).
    After(Duration),
    /// When the Canary is in this phase. If that does not happen within `within` of the step above, the step and those
    /// below it are not taken, a note says so, and the expectation that it is taken is not met.
    OnPhase { phase: Phase, within: Duration },
    /// When the router sends at least this weight (percent) to the canary; otherwise as [`When::OnPhase`].
    OnWeight { weight: i64, within: Duration },
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Release(Release),
    /// In force until it is turned off: pods that come later get it too.
    FaultOn {
        spec: FaultSpec,
        target: FaultTarget,
        /// Turned off by itself after this time; stays on where there is none. Does not hold up the steps below.
        lasting: Option<Duration>,
    },
    /// Turn off faults on these pods: one kind, or every kind.
    FaultOff {
        fault: Option<crate::model::fault::FaultKind>,
        target: FaultTarget,
    },
    /// These streams replace those of the same name, and are added where there is none; names in `stop` end.
    Traffic {
        streams: Vec<Stream>,
        stop: Vec<String>,
    },
    /// `POST {load_tester}/gate/open` or `/gate/close` for the Canary.
    Gate {
        open: bool,
    },
    /// `POST {load_tester}/rollback/open` for the Canary; taken back once the Canary has failed.
    RollBack,
    /// Nothing: only its moment counts.
    Wait,
}

impl Act {
    /// How the event stream names this kind of step.
    #[must_use]
    pub fn kind(&self) -> StepKind {
        match self {
            Self::Release(_) => StepKind::Release,
            Self::FaultOn { .. } | Self::FaultOff { .. } => StepKind::Fault,
            Self::Traffic { .. } => StepKind::Traffic,
            Self::Gate { .. } => StepKind::Gate,
            Self::RollBack => StepKind::RollBack,
            Self::Wait => StepKind::Wait,
        }
    }
}

/// A new version: patches that make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Strategic-merge patch for [`Plan::target`]: image tag, environment, arguments, and faults that live in the
    /// template. `{}` where only `configs` change.
    pub patch: Value,
    /// ConfigMaps and Secrets that change with the release: the object, and a merge patch for it. Applied first.
    pub configs: Vec<(ObjectRef, Value)>,
    /// How people call it: the image's tag after the patch.
    pub version: String,
}

/// What should be seen. Everything that is not set is not checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    pub verdict: Option<Outcome>,
    /// Phases that are passed through in this order, counted from scenario time zero; others may come between.
    pub phases: Vec<Phase>,
    /// Percent, live at the router.
    pub weight_never_above: Option<i64>,
    /// From the detection of the new revision (`New revision detected! Scaling up …`) to phase Succeeded.
    pub promoted_within: Option<Duration>,
    /// From the detection of the new revision to phase Failed.
    pub rolled_back_within: Option<Duration>,
    /// Requests without an answer or with a 5xx, from scenario time zero to the end.
    pub harmed_at_most: Option<u64>,
    /// Texts that occur in Flagger's events; `*` stands for any text.
    pub events: Vec<String>,
    /// Texts that must not occur.
    pub no_events: Vec<String>,
    /// Highest `failedChecks` seen in the status.
    pub failed_checks: Option<Count>,
    /// Steps that wait for a phase or weight, and so might never be taken: 0-based place, sentence.
    pub steps_taken: Vec<(usize, String)>,
}

/// An allowed count, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub at_least: i64,
    pub at_most: i64,
}
