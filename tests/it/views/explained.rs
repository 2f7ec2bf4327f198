//! What the state says in words, and what it counted.

use super::streams;
use coalmine::event::{Envelope, Event, Reported, StatusChanged, StepState};
use coalmine::model::canary::Phase;
use coalmine::state::{LabState, Stopwatch, Tone, why};

fn after(events: &[Envelope]) -> String {
    why(&LabState::of(events)).text
}

fn status(phase: Phase, failed_checks: i64) -> Event {
    Event::StatusChanged(StatusChanged { phase, weight: 10, failed_checks, iterations: 0, condition: None })
}

/// The stream with one more event, `later_ms` after its last.
fn with(mut events: Vec<Envelope>, later_ms: u64, event: Event) -> Vec<Envelope> {
    let last = events.last().unwrap().clone();
    events.push(Envelope { seq: last.seq + 1, at_ms: last.at_ms + later_ms, event });
    events
}

#[test]
fn each_state_has_its_sentence() {
    let (storm, gate, healthy) = (streams::storm(), streams::gate(), streams::healthy());
    let strike =
        |count| streams::up_to(&storm, |it| matches!(it, Event::StatusChanged(it) if it.failed_checks == count));
    let said = |stream: &[Envelope], start: &str| streams::up_to_message(stream, start);
    let lab = streams::up_to(&storm, |it| matches!(it, Event::LabStep(it) if it.state == StepState::Started));
    for (case, events, sentence) in [
        ("nothing yet", vec![], "making the lab"),
        ("the lab's first step", lab, "making the lab: start the Kubernetes API"),
        ("found", said(&storm, "New revision"), "a new version was found; its pods are starting"),
        ("started", said(&storm, "Advance"), "advancing: weight 10 % of 50 %"),
        (
            "first strike",
            strike(1),
            "halted: success rate 70.00 % < 99 %, strike 1 of 5, 4 left; rollback in 1m15s unless it passes",
        ),
        (
            "third strike, 9 seconds later",
            with(strike(3), 9_000, status(Phase::Progressing, 3)),
            "halted: success rate 70.00 % < 99 %, strike 3 of 5, 2 left; rollback in 36s unless it passes",
        ),
        ("last strike", strike(5), "halted: success rate 70.00 % < 99 %, strike 5 of 5, 0 left; rollback in 15s"),
        (
            "rolling back",
            said(&storm[..], "Rolling back"),
            "rolled back at 2m00s: success rate 70.00 % < 99 %, 5 of 5 strikes; all traffic goes to the primary",
        ),
        (
            "waiting at the gate",
            said(&gate, "Halt podinfo.test advancement waiting for promotion"),
            "waiting for approval of the promotion by webhook gate; 0s so far",
        ),
        ("copying", said(&healthy, "Copying"), "promoting: the primary takes over the new version"),
        ("routing", said(&healthy, "Routing"), "finalising: all traffic goes back to the primary"),
        (
            "promoted",
            said(&healthy, "Promotion completed"),
            "promoted 2m00s after it was found: the primary runs the new version",
        ),
    ] {
        assert_eq!(after(&events), sentence, "{case}");
    }
}

#[test]
fn strikes_stay_when_an_advance_follows_and_end_with_the_release() {
    let strike =
        streams::up_to(&streams::storm(), |it| matches!(it, Event::StatusChanged(it) if it.failed_checks == 2));
    let say = |message: &str| Event::Reported(Reported { warning: false, message: message.into() });
    let passed =
        with(with(strike, 15_000, say("Advance podinfo.test canary weight 20")), 0, status(Phase::Progressing, 2));
    let state = LabState::of(&passed);
    assert_eq!(state.release.strikes, 2, "a check that passes gives no strike back");
    assert!(why(&state).text.starts_with("advancing"), "{}", why(&state).text);
    let next = with(
        with(passed, 1_000, say("New revision detected! Restarting analysis for podinfo.test")),
        0,
        status(Phase::Progressing, 0),
    );
    assert_eq!(LabState::of(&next).release.strikes, 0);
    assert_eq!(LabState::of(&next).harmed_in_release(), 0, "harm is counted for each release");
}

#[test]
fn no_values_is_told_apart_from_bad_values() {
    let started = streams::up_to_message(&streams::storm(), "Advance");
    let message = "Halt advancement no values found for nginx metric request-success-rate probably podinfo.test is not \
                   receiving traffic: running query failed: no values found";
    let halted = with(started, 15_000, Event::Reported(Reported { warning: true, message: message.into() }));
    let state = LabState::of(&with(halted, 0, status(Phase::Progressing, 1)));
    let why = why(&state);
    assert!(why.text.contains("no values found for request-success-rate, strike 1 of 5"), "{}", why.text);
    assert!(why.next.contains("does traffic reach the canary"), "{}", why.next);
    assert_eq!(why.tone, Tone::Warning);
}

#[test]
fn the_stopwatch_runs_from_fault_to_last_harm() {
    let state = LabState::of(&streams::storm());
    let watch = Stopwatch::of(&state);
    assert_eq!(watch.harmed, 270);
    assert_eq!(watch.sentence().unwrap(), "270 requests harmed in 1m29s; 1m59s from fault to last harmed request");
    assert!(watch.moments().is_sorted_by_key(|it| it.1));
    let healthy = LabState::of(&streams::healthy());
    assert_eq!((Stopwatch::of(&healthy).sentence(), healthy.traffic.harmed), (None, 0));
}

#[test]
fn requests_are_counted_by_version_and_status() {
    let state = LabState::of(&streams::storm());
    let (name, canary) = state.traffic.canary_version().unwrap();
    assert_eq!((name, canary.requests, canary.harmed), ("6.9.3", 900, 270));
    assert_eq!((canary.class(2), canary.class(5), canary.class(0)), (630, 270, 0));
    assert_eq!(state.traffic.requests, state.traffic.versions.values().map(|it| it.requests).sum::<u64>());
    let later = state.now_ms + 60_000;
    assert!(canary.recent_counts(later) == (0, 0), "what is old is not recent");
}
