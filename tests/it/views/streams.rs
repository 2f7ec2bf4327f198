//! Event streams made by hand, as the session makes them: the tables 9.3 (healthy), 9.4 (a) (500-storm) and the promotion gate
//! of 9.6 in `reference/flagger.md`, with ticks of 15 s, requests each second and pods that start. No engine is involved, so
//! these hold the views to Flagger's tables, not to our controller.

use coalmine::event::{
    Check, ClockKind, Command, Envelope, Event, Expectation, FaultChanged, LabStep, Measured, Measurement, Note,
    Outcome, Pod, Policy, Reported, Requests, RouteChanged, Rule, RunEnded, RunStarted, ScenarioStarted, StatusChanged,
    StepKind, StepState, StepTaken, Tally, Workload,
};
use coalmine::model::canary::{Condition, Phase};
use coalmine::model::fault::{FaultKind, FaultTarget};
use std::collections::BTreeMap;

/// Milliseconds between two ticks.
const TICK_MS: u64 = 15_000;
/// When the scenario begins, and when the release comes (scenario time 12 s, so that k0 is at 15 s).
const SCENARIO_MS: u64 = 8_500;
const OLD: &str = "6.9.2";
const NEW: &str = "6.9.3";
/// Requests per second of the scenario's traffic.
const RATE: u64 = 100;

/// A release that is promoted.
pub fn healthy() -> Vec<Envelope> {
    let mut make = Maker::new("healthy-release", "A good version is released and promoted");
    make.release();
    make.start_analysis();
    for weight in [20, 30, 40, 50] {
        make.tick();
        make.measure();
        make.route(weight);
        make.status(Phase::Progressing, weight, 0);
        make.say(false, &format!("Advance podinfo.test canary weight {weight}"));
    }
    make.tick();
    make.promote();
    let expectations = vec![met("verdict is promoted", "promoted"), met("weight is never above 50", "highest was 50")];
    make.end(
        Outcome::Promoted,
        "every check passed: success rate was 100 % or more than 99 %, 0 of 5 strikes; nobody was harmed",
        "release with confidence",
        expectations,
    );
    make.events
}

/// A release that answers three of ten requests with 500 from its first request on, and is rolled back.
pub fn storm() -> Vec<Envelope> {
    let mut make = Maker::new("500-storm", "A version that answers 30 % of its requests with 500");
    make.fault_on(0.3);
    make.release();
    make.start_analysis();
    for strike in 1..=5 {
        make.tick();
        make.measure();
        let rate = make.success.expect("the storm has traffic");
        make.say(true, &format!("Halt podinfo.test advancement success rate {rate:.2}% < 99%"));
        make.status(Phase::Progressing, 10, strike);
        if strike == 2 {
            make.push(Event::Rule(Rule {
                alert: "PodinfoErrorBudgetBurn".into(),
                firing: true,
                summary: "podinfo burns its error budget 14.4 times too fast".into(),
            }));
        }
    }
    make.tick();
    make.roll_back();
    let why = "rolled back at 2m00s: success rate 70.00 % < 99 %, 5 of 5 strikes; 270 requests harmed in 1m30s";
    let expectations = vec![
        met("verdict is rolled-back", "rolled-back"),
        met("weight is never above 10", "highest was 10"),
        Expectation { text: "at most 250 requests are harmed".into(), met: false, seen: "270".into() },
    ];
    make.end(Outcome::RolledBack, why, "read the canary's logs for status 500, mend it, release again", expectations);
    make.events
}

/// A release that stops at the promotion gate until a person opens it.
pub fn gate() -> Vec<Envelope> {
    let mut make = Maker::new("gated-release", "A good version that waits for a person before promotion");
    make.release();
    make.start_analysis();
    for weight in [20, 30, 40, 50] {
        make.tick();
        make.measure();
        make.route(weight);
        make.status(Phase::Progressing, weight, 0);
        make.say(false, &format!("Advance podinfo.test canary weight {weight}"));
    }
    make.tick();
    make.measure();
    make.say(true, "Halt podinfo.test advancement waiting for promotion approval gate");
    make.status(Phase::WaitingPromotion, 0, 0);
    make.tick();
    make.measure();
    make.push(Event::Command(Command { text: "open the gate".into() }));
    make.tick();
    make.say(false, "Confirm-promotion check gate passed");
    make.promote();
    make.end(
        Outcome::Promoted,
        "every check passed and the gate was opened",
        "",
        vec![met("verdict is promoted", "promoted")],
    );
    make.events
}

/// The events up to the first that satisfies `until`, that one included.
pub fn up_to(events: &[Envelope], until: impl Fn(&Event) -> bool) -> Vec<Envelope> {
    let end = events.iter().position(|it| until(&it.event)).expect("the stream has such an event");
    events[..=end].to_vec()
}

/// The events up to a message of the controller, and what the same tick wrote after it, up to its status.
pub fn up_to_message(events: &[Envelope], start: &str) -> Vec<Envelope> {
    let is_it = |it: &Event| matches!(it, Event::Reported(it) if it.message.starts_with(start));
    let said = up_to(events, is_it).len();
    let at_ms = events[said - 1].at_ms;
    let mut tick = events[said..].iter().take_while(|it| it.at_ms == at_ms);
    let status = tick.position(|it| matches!(it.event, Event::StatusChanged(_))).map_or(0, |it| it + 1);
    events[..said + status].to_vec()
}

/// A long run: the storm's first ticks, then requests and measurements until there are `count` events.
pub fn long(count: usize) -> Vec<Envelope> {
    let mut make = Maker::new("soak", "Hours of traffic");
    make.release();
    make.start_analysis();
    while make.events.len() < count {
        make.run_to(make.now_ms + TICK_MS);
        make.measure();
    }
    make.events.truncate(count);
    make.events
}

fn met(text: &str, seen: &str) -> Expectation {
    Expectation { text: text.into(), met: true, seen: seen.into() }
}

/// Makes events in order. Requests of each second are made while time runs.
struct Maker {
    events: Vec<Envelope>,
    now_ms: u64,
    next_tick_ms: u64,
    canary_weight: u64,
    error_rate: f64,
    /// Success rate in percent over the last minute of the canary's requests: `(requests, harmed)` by second.
    window: Vec<(u64, u64)>,
    success: Option<f64>,
    /// Versions of primary and canary.
    versions: (&'static str, &'static str),
    dice: u64,
}

impl Maker {
    fn new(scenario: &str, title: &str) -> Self {
        let mut make = Self {
            events: Vec::new(),
            now_ms: 0,
            next_tick_ms: SCENARIO_MS + TICK_MS,
            canary_weight: 0,
            error_rate: 0.0,
            window: Vec::new(),
            success: None,
            versions: (OLD, OLD),
            dice: 7,
        };
        make.push(Event::RunStarted(RunStarted {
            scenario: scenario.into(),
            title: title.into(),
            lab: "embedded".into(),
            clock: ClockKind::Simulated,
            seed: 7,
            version: "0.1.0".into(),
            started: "2026-01-01T00:00:00Z".into(),
            policy: policy(),
        }));
        make.make_lab();
        make
    }

    fn make_lab(&mut self) {
        for (name, detail, millis) in [
            ("start the Kubernetes API", "", 5),
            ("apply the lab's manifests", "21 objects", 40),
            ("apply the scenario's manifests", "6 objects", 25),
        ] {
            self.step(name, StepState::Started, "");
            self.now_ms += millis;
            self.step(name, StepState::Done, detail);
        }
        self.step("wait for the canary", StepState::Started, "podinfo.test is Initializing");
        self.pods("podinfo-primary-5c9d", OLD, &["Pending", "ContainerCreating", "Running"]);
        self.status(Phase::Initializing, 0, 0);
        self.say(false, "all the metrics providers are available!");
        self.say(
            true,
            "podinfo-primary.test not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas \
             are available",
        );
        self.now_ms = SCENARIO_MS - 100;
        self.workload("podinfo-primary", OLD, 2, 2);
        self.say(false, "all the metrics providers are available!");
        self.say(false, "Initialization done! podinfo.test");
        self.status(Phase::Initialized, 0, 0);
        self.route(0);
        self.step("wait for the canary", StepState::Done, "podinfo.test is Initialized");
        self.now_ms = SCENARIO_MS;
        self.push(Event::ScenarioStarted(ScenarioStarted { steps: 3 }));
        let text = "send 100 requests per second".to_owned();
        self.push(Event::StepTaken(StepTaken { index: 0, kind: StepKind::Traffic, text }));
    }

    fn release(&mut self) {
        self.run_to(SCENARIO_MS + 12_000);
        self.push(Event::StepTaken(StepTaken { index: 1, kind: StepKind::Release, text: "release 6.9.3".into() }));
        self.versions.1 = NEW;
        self.tick();
        self.say(false, "New revision detected! Scaling up podinfo.test");
        self.status(Phase::Progressing, 0, 0);
        self.pods("podinfo-7f8b", NEW, &["Pending", "ContainerCreating", "Running"]);
        self.workload("podinfo", NEW, 2, 2);
    }

    fn start_analysis(&mut self) {
        self.tick();
        self.say(false, "Starting canary analysis for podinfo.test");
        self.say(false, "Pre-rollout check acceptance-test passed");
        self.route(10);
        self.status(Phase::Progressing, 10, 0);
        self.say(false, "Advance podinfo.test canary weight 10");
    }

    fn fault_on(&mut self, rate: f64) {
        self.error_rate = rate;
        let fault = FaultKind::Http500;
        self.push(Event::FaultChanged(FaultChanged {
            fault,
            target: FaultTarget::Canary,
            on: true,
            rate,
            detail: String::new(),
        }));
    }

    fn promote(&mut self) {
        self.measure();
        self.say(false, "Copying podinfo.test template spec to podinfo-primary.test");
        self.status(Phase::Promoting, 50, 0);
        self.tick();
        self.versions.0 = NEW;
        self.say(false, "Routing all traffic to primary");
        self.route(0);
        self.status(Phase::Finalising, 0, 0);
        self.tick();
        self.say(false, "Promotion completed! Scaling down podinfo.test");
        self.status(Phase::Succeeded, 0, 0);
        self.workload("podinfo", NEW, 0, 0);
        self.run_to(self.now_ms + 5_000);
    }

    fn roll_back(&mut self) {
        self.say(true, "Rolling back podinfo.test failed checks threshold reached 5");
        self.route(0);
        self.say(true, "Canary failed! Scaling down podinfo.test");
        self.status(Phase::Failed, 0, 0);
        self.workload("podinfo", NEW, 0, 0);
        self.pods("podinfo-7f8b", NEW, &["Terminating", "Gone"]);
        self.push(Event::Note(Note { text: "the canary's pods are gone; no more harm is possible".into() }));
        self.run_to(self.now_ms + 5_000);
    }

    fn end(&mut self, outcome: Outcome, why: &str, next: &str, expectations: Vec<Expectation>) {
        let ended = RunEnded { outcome, why: why.into(), next: next.into(), expectations };
        self.push(Event::RunEnded(ended));
    }

    fn push(&mut self, event: Event) {
        self.events.push(Envelope { seq: self.events.len() as u64 + 1, at_ms: self.now_ms, event });
    }

    fn step(&mut self, name: &str, state: StepState, detail: &str) {
        self.push(Event::LabStep(LabStep { name: name.into(), state, detail: detail.into() }));
    }

    fn say(&mut self, warning: bool, message: &str) {
        self.push(Event::Reported(Reported { warning, message: message.into() }));
    }

    fn route(&mut self, canary: i64) {
        self.canary_weight = canary.unsigned_abs();
        self.push(Event::RouteChanged(RouteChanged { primary: 100 - canary, canary }));
    }

    fn status(&mut self, phase: Phase, weight: i64, failed_checks: i64) {
        let status = match phase {
            Phase::Failed => "False",
            Phase::Succeeded | Phase::Initialized => "True",
            _ => "Unknown",
        };
        let condition = Condition { kind: "Promoted".into(), status: status.into(), ..Condition::default() };
        let iterations = if phase == Phase::WaitingPromotion { -1 } else { 0 };
        self.push(Event::StatusChanged(StatusChanged {
            phase,
            weight,
            failed_checks,
            iterations,
            condition: Some(condition),
        }));
    }

    fn workload(&mut self, name: &str, version: &str, desired: i64, ready: i64) {
        let (name, version) = (name.to_owned(), version.to_owned());
        self.push(Event::Workload(Workload { name, version, desired, ready, updated: desired }));
    }

    fn pods(&mut self, name: &str, version: &str, states: &[&str]) {
        for state in states {
            for suffix in ["x2v4q", "k9m7z"] {
                let (name, version) = (format!("{name}-{suffix}"), version.to_owned());
                let ready = *state == "Running";
                self.push(Event::Pod(Pod { name, version, ready, restarts: 0, state: (*state).to_owned() }));
            }
        }
    }

    /// Lets time run until the controller's next tick.
    fn tick(&mut self) {
        self.run_to(self.next_tick_ms);
        self.next_tick_ms += TICK_MS;
    }

    fn run_to(&mut self, at_ms: u64) {
        while self.now_ms + 1000 <= at_ms {
            self.now_ms += 1000;
            self.requests();
        }
        self.now_ms = at_ms;
    }

    fn requests(&mut self) {
        let canary = RATE * self.canary_weight / 100;
        let harmed = (canary as f64 * self.error_rate).round() as u64;
        let mut versions = BTreeMap::new();
        let primary = self.tally("primary", RATE - canary, 0);
        versions.insert(self.versions.0.to_owned(), primary);
        if canary > 0 {
            let canary = self.tally("canary", canary, harmed);
            versions.insert(self.versions.1.to_owned(), canary);
        }
        self.window.push((canary, harmed));
        self.push(Event::Requests(Requests { slice_ms: 1000, versions }));
    }

    fn tally(&mut self, backend: &str, requests: u64, harmed: u64) -> Tally {
        let by_status = [(200, requests - harmed), (500, harmed)].into_iter().filter(|it| it.1 > 0).collect();
        let (p50_ms, p99_ms) = (18.0 + self.roll(), 41.0 + 6.0 * self.roll());
        Tally {
            backend: backend.into(),
            requests,
            harmed,
            by_status,
            p50_ms,
            p99_ms,
            mean_ms: p50_ms + 1.5,
            max_ms: p99_ms + 4.0,
            last_harmed_at_ms: (harmed > 0).then_some(self.now_ms - 120),
        }
    }

    /// The checks as Prometheus would answer them now, over a window of one minute.
    fn measure(&mut self) {
        let window = &self.window[self.window.len().saturating_sub(60)..];
        let (all, harmed) = window.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        self.success = (all > 0).then(|| 100.0 * (all - harmed) as f64 / all as f64);
        let duration = self.success.map(|_| 20.0);
        let duration = duration.map(|it| it + 3.0 * self.roll());
        let value = |check: &str, value| Measurement { check: check.to_owned(), value };
        let values = vec![value("request-success-rate", self.success), value("request-duration", duration)];
        self.push(Event::Measured(Measured { values }));
    }

    /// Between 0 and 1, the same each time.
    fn roll(&mut self) -> f64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 40) as f64 / (1u64 << 24) as f64
    }
}

fn policy() -> Policy {
    Policy {
        canary: "podinfo".into(),
        namespace: "test".into(),
        target: "podinfo".into(),
        provider: "nginx".into(),
        strategy: "canary".into(),
        interval_ms: TICK_MS,
        threshold: 5,
        max_weight: 50,
        weights: vec![10, 20, 30, 40, 50],
        iterations: 0,
        checks: vec![
            Check {
                name: "request-success-rate".into(),
                unit: "%".into(),
                min: Some(99.0),
                max: None,
                window_ms: 60_000,
            },
            Check {
                name: "request-duration".into(),
                unit: "ms".into(),
                min: None,
                max: Some(500.0),
                window_ms: 60_000,
            },
        ],
    }
}
