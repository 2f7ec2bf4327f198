//! Verdicts and expectations from hand-made event streams: the rows of flagger.md 9.3 to 9.6.

use crate::event::{
    Command, Envelope, Event, Expectation, FaultChanged, Outcome, Pod, Policy, Reported, Requests, RouteChanged,
    ScenarioStarted, StatusChanged, StepKind, StepTaken, Tally,
};
use crate::model::canary::Phase;
use crate::model::fault::{FaultKind, FaultTarget};
use crate::scenario::expect::judge;
use crate::scenario::plan::{Count, Expect};
use crate::scenario::verdict::{Verdict, explain};
use std::collections::BTreeMap;
use std::time::Duration;

/// Writes a stream; times are seconds after the detection, which is at 100 s of the run.
#[derive(Default)]
struct Story {
    events: Vec<Envelope>,
    status: Option<StatusChanged>,
}

const DETECTED_AT: u64 = 100;

impl Story {
    /// A run whose lab is up and whose release 6.9.3 was just detected.
    fn new() -> Self {
        let mut story = Self::default();
        let policy = Policy {
            canary: "podinfo".to_owned(),
            namespace: "test".to_owned(),
            target: "podinfo".to_owned(),
            provider: "nginx".to_owned(),
            threshold: 5,
            weights: vec![10, 20, 30, 40, 50],
            ..Policy::default()
        };
        story.event(
            0,
            Event::RunStarted(crate::event::RunStarted {
                scenario: "s".to_owned(),
                title: String::new(),
                lab: "embedded".to_owned(),
                clock: crate::event::ClockKind::Simulated,
                seed: 1,
                version: String::new(),
                started: String::new(),
                policy,
            }),
        );
        story.phase_at(60, Phase::Initialized, 0);
        story.event(95, Event::ScenarioStarted(ScenarioStarted { steps: 2 }));
        let text = "release 6.9.3".to_owned();
        story.event(96, Event::StepTaken(StepTaken { index: 0, kind: StepKind::Release, text }));
        story
    }

    fn detected(self) -> Self {
        self.say(0, "New revision detected! Scaling up podinfo.test").phase(0, Phase::Progressing, 0)
    }

    fn event(&mut self, seconds: u64, event: Event) {
        let seq = self.events.len() as u64 + 1;
        self.events.push(Envelope { seq, at_ms: seconds * 1000, event });
    }

    fn phase_at(&mut self, seconds: u64, phase: Phase, failed_checks: i64) {
        let status = StatusChanged { phase, weight: 0, failed_checks, iterations: 0, condition: None };
        self.status = Some(status.clone());
        self.event(seconds, Event::StatusChanged(status));
    }

    fn phase(mut self, after: u64, phase: Phase, failed_checks: i64) -> Self {
        self.phase_at(DETECTED_AT + after, phase, failed_checks);
        self
    }

    fn say(mut self, after: u64, message: &str) -> Self {
        let message = message.to_owned();
        self.event(DETECTED_AT + after, Event::Reported(Reported { warning: false, message }));
        self
    }

    fn weight(mut self, after: u64, canary: i64) -> Self {
        self.event(DETECTED_AT + after, Event::RouteChanged(RouteChanged { primary: 100 - canary, canary }));
        self
    }

    fn fault(mut self, after: u64) -> Self {
        let (fault, target) = (FaultKind::Http500, FaultTarget::Canary);
        let changed = FaultChanged { fault, target, on: true, rate: 0.3, detail: String::new() };
        self.event(DETECTED_AT + after, Event::FaultChanged(changed));
        self
    }

    /// One second of requests that ends at `after`.
    fn requests(mut self, after: u64, requests: u64, harmed: u64) -> Self {
        let at = DETECTED_AT + after;
        let last_harmed_at_ms = (harmed > 0).then_some(at * 1000 - 10);
        let tally = Tally { requests, harmed, last_harmed_at_ms, ..Tally::default() };
        let versions = BTreeMap::from([("6.9.3".to_owned(), tally)]);
        self.event(at, Event::Requests(Requests { slice_ms: 1000, versions }));
        self
    }

    /// A halt every 15 s from 30 s on.
    fn halts(mut self, count: u64, message: &str) -> Self {
        for i in 1..=count {
            let after = 15 + 15 * i;
            self = self.say(after, message).phase(after, Phase::Progressing, i as i64);
        }
        self
    }

    fn rolled_back(self, after: u64) -> Self {
        self.weight(after, 0).say(after, "Canary failed! Scaling down podinfo.test").phase(after, Phase::Failed, 0)
    }

    fn verdict(&self) -> Verdict {
        explain(&self.events)
    }
}

fn storm() -> Story {
    Story::new()
        .detected()
        .say(15, "Starting canary analysis for podinfo.test")
        .weight(15, 10)
        .fault(16)
        .requests(17, 10, 3)
        .halts(5, "Halt podinfo.test advancement success rate 71.43% < 99%")
        .requests(92, 10, 4)
        .say(105, "Rolling back podinfo.test failed checks threshold reached 5")
        .rolled_back(105)
}

fn healthy() -> Story {
    Story::new()
        .detected()
        .weight(15, 10)
        .weight(75, 50)
        .phase(90, Phase::Promoting, 0)
        .weight(105, 0)
        .phase(105, Phase::Finalising, 0)
        .requests(110, 100, 0)
        .phase(120, Phase::Succeeded, 0)
        .say(120, "Promotion completed! Scaling down podinfo.test")
}

fn says(story: &Story, outcome: Outcome, why: &str, next: &str) {
    let verdict = story.verdict();
    assert_eq!((verdict.outcome, verdict.why.as_str(), verdict.next.as_str()), (outcome, why, next));
}

#[test]
fn a_storm_is_told_with_value_limit_strikes_and_harm() {
    says(
        &storm(),
        Outcome::RolledBack,
        "rolled back at 1m45s: success rate 71.43 % < 99 %, 5 of 5 strikes; 7 requests harmed in 75 s; \
         from fault to last harmed request 75 s",
        "find the 5xx answers in the logs of 6.9.3, then release another version; 6.9.3 unchanged is not tried again",
    );
}

#[test]
fn a_healthy_release_is_told_with_its_weights() {
    says(
        &healthy(),
        Outcome::Promoted,
        "promoted at 2m0s: every check passed at weights 10, 20, 30, 40, 50; no request harmed",
        "nothing to do: 6.9.3 runs in podinfo-primary",
    );
}

#[test]
fn strikes_that_did_not_suffice_are_told() {
    let story = Story::new().detected().halts(2, "Halt podinfo.test advancement request duration 1.5s > 500ms").phase(
        150,
        Phase::Succeeded,
        2,
    );
    let why = "promoted at 2m30s: 2 of 5 strikes, and all later checks passed; no request harmed";
    assert_eq!(story.verdict().why, why);
}

#[test]
fn slowness_is_told_in_flaggers_durations() {
    let story = Story::new()
        .detected()
        .halts(5, "Halt podinfo.test advancement request duration 1.515s > 500ms")
        .say(105, "Rolling back podinfo.test failed checks threshold reached 5")
        .rolled_back(105);
    let why = "rolled back at 1m45s: request duration 1.515s > 500ms, 5 of 5 strikes; no request harmed";
    assert_eq!(story.verdict().why, why);
    assert!(story.verdict().next.starts_with("find what made 6.9.3 slow"));
}

#[test]
fn missing_traffic_is_explained() {
    for (text, metric) in [
        (
            "Halt advancement no values found for nginx metric request-success-rate probably podinfo.test is not \
             receiving traffic: running query failed: no values found",
            "request-success-rate",
        ),
        ("Halt advancement no values found for custom metric: errors: no values found", "errors"),
        ("Halt advancement no values found for metric: my-query", "my-query"),
    ] {
        let story = Story::new().detected().halts(5, text).rolled_back(105);
        let start = format!("rolled back at 1m45s: no values found for {metric}: no request reached the canary");
        assert!(story.verdict().why.starts_with(&start), "{}", story.verdict().why);
    }
}

#[test]
fn hooks_hands_and_deadlines_are_told_apart() {
    let hook = Story::new()
        .detected()
        .halts(5, "Halt podinfo.test advancement pre-rollout check acceptance-test failed Forbidden")
        .rolled_back(90);
    assert!(hook.verdict().why.contains("check acceptance-test failed Forbidden, 5 of 5 strikes"));

    let hand = Story::new()
        .detected()
        .say(45, "Rollback check rollback passed")
        .say(45, "Rolling back podinfo.test manual webhook invoked")
        .rolled_back(45);
    let why = "rolled back at 45s: by hand, through the rollback webhook, with 0 of 5 strikes; no request harmed";
    assert_eq!(hand.verdict().why, why);

    let mut deadline = Story::new().detected();
    let pod = |name: &str, state: &str| {
        Event::Pod(Pod {
            name: name.to_owned(),
            version: String::new(),
            ready: false,
            restarts: 0,
            state: state.to_owned(),
        })
    };
    deadline.event(DETECTED_AT + 5, pod("podinfo-primary-abc-x", "Pending"));
    deadline.event(DETECTED_AT + 5, pod("podinfo-5d4-x", "ImagePullBackOff"));
    let deadline = deadline
        .say(60, "canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available")
        .rolled_back(75);
    assert_eq!(
        deadline.verdict().why,
        "rolled back at 1m15s: the canary did not become ready within its progress deadline (waiting for rollout to \
         finish: 0 of 2 (readyThreshold 100%) updated replicas are available; podinfo-5d4-x is ImagePullBackOff); \
         no request harmed"
    );
}

#[test]
fn what_is_undecided_says_what_it_waits_for() {
    let gate = Story::new()
        .detected()
        .weight(75, 50)
        .say(90, "Halt podinfo.test advancement waiting for promotion approval promotion-gate")
        .phase(90, Phase::WaitingPromotion, 0);
    says(
        &gate,
        Outcome::Undecided,
        "6.9.3 waits at gate promotion-gate at weight 50; no request harmed",
        "open the gate, with a step `- openGate` or by hand, or roll back",
    );
    let before = Story::new().say(0, "Halt podinfo.test advancement waiting for approval start-gate").phase(
        0,
        Phase::Waiting,
        0,
    );
    assert_eq!(before.verdict().why, "6.9.3 waits at gate start-gate before it begins; no request harmed");
    assert_eq!(Story::new().verdict().why, "6.9.3 was released and Flagger detected no new revision");
    assert_eq!(Story::default().verdict().why, "nothing was released");
    let stalled = Story::new().detected().weight(15, 10).phase(600, Phase::Progressing, 1);
    let why = "the time was up in phase Progressing at weight 10, 10m0s after detection, with 1 of 5 strikes; \
               no request harmed";
    assert_eq!(stalled.verdict().why, why);
}

#[test]
fn a_person_who_quits_interrupts_only_what_is_undecided() {
    let quit = |mut story: Story| {
        story.event(500, Event::Command(Command { text: "quit".to_owned() }));
        story.verdict().outcome
    };
    assert_eq!(quit(Story::new().detected()), Outcome::Interrupted);
    assert_eq!(quit(storm()), Outcome::RolledBack);
}

#[test]
fn the_last_release_of_several_counts() {
    let again = storm().say(200, "New revision detected! Scaling up podinfo.test").phase(200, Phase::Progressing, 0);
    assert_eq!(again.verdict().outcome, Outcome::Undecided);
    let promoted = again.phase(320, Phase::Succeeded, 0);
    assert!(promoted.verdict().why.starts_with("promoted at 2m0s: every check passed"), "{}", promoted.verdict().why);
    // The status can be seen before the event.
    let early = storm().phase(200, Phase::Progressing, 0).say(200, "New revision detected! Scaling up podinfo.test");
    assert_eq!(early.phase(320, Phase::Succeeded, 0).verdict().outcome, Outcome::Promoted);
}

fn lines(expect: &Expect, story: &Story) -> Vec<(String, bool, String)> {
    let line = |it: Expectation| (it.text, it.met, it.seen);
    judge(expect, &story.events).into_iter().map(line).collect()
}

fn row(text: &str, met: bool, seen: &str) -> (String, bool, String) {
    (text.to_owned(), met, seen.to_owned())
}

#[test]
fn expectations_say_what_was_expected_and_what_was_seen() {
    let expect = Expect {
        verdict: Some(Outcome::RolledBack),
        phases: vec![Phase::Progressing, Phase::Failed],
        weight_never_above: Some(10),
        rolled_back_within: Some(Duration::from_secs(105)),
        harmed_at_most: Some(7),
        events: vec!["Halt * success rate * < 99%".to_owned()],
        no_events: vec!["Copying *".to_owned()],
        failed_checks: Some(Count { at_least: 5, at_most: 5 }),
        steps_taken: vec![(0, "release 6.9.3".to_owned())],
        ..Expect::default()
    };
    let halt = "at 35s: Halt podinfo.test advancement success rate 71.43% < 99%";
    assert_eq!(
        lines(&expect, &storm()),
        [
            row("verdict is rolled back", true, "rolled back"),
            row("phases are Progressing, Failed in this order", true, "Initialized, Progressing, Failed"),
            row("weight is never above 10", true, "highest was 10"),
            row("rolled back within 1m45s of detection", true, "1m45s"),
            row("at most 7 requests are harmed", true, "7 of 20"),
            row("event `Halt * success rate * < 99%` is seen", true, halt),
            row("event `Copying *` is not seen", true, "not seen"),
            row("failed checks are 5", true, "5"),
            row("step 1 (release 6.9.3) is taken", true, "taken"),
        ]
    );
}

#[test]
fn every_expectation_can_fail() {
    let expect = Expect {
        verdict: Some(Outcome::Promoted),
        phases: vec![Phase::Failed, Phase::Progressing],
        weight_never_above: Some(9),
        promoted_within: Some(Duration::from_secs(300)),
        rolled_back_within: Some(Duration::from_secs(104)),
        harmed_at_most: Some(6),
        events: vec!["Promotion completed! *".to_owned()],
        no_events: vec!["Canary failed! *".to_owned()],
        failed_checks: Some(Count { at_least: 0, at_most: 4 }),
        steps_taken: vec![(1, "wait".to_owned())],
    };
    let lines = lines(&expect, &storm());
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|(_, met, _)| !met), "{lines:#?}");
}
