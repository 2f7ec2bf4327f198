//! Two runs side by side: what counts as alike, and what is said of a difference.

use super::streams;
use coalmine::event::{Envelope, Event, Reported};
use coalmine::report::compare::{Comparison, Mark, compare};
use std::time::Duration;

fn changed(events: &[Envelope], mut change: impl FnMut(&mut Envelope)) -> Vec<Envelope> {
    let mut events = events.to_vec();
    events.iter_mut().for_each(&mut change);
    events
}

/// Every one of Flagger's texts with a part of it replaced.
fn reworded(events: &[Envelope], from: &str, to: &str) -> Vec<Envelope> {
    changed(events, |it| {
        if let Event::Reported(report) = &mut it.event {
            report.message = report.message.replace(from, to);
        }
    })
}

/// Everything from an event on comes later.
fn late(events: &[Envelope], from: &str, by_ms: u64) -> Vec<Envelope> {
    let mut is_late = false;
    changed(events, |it| {
        is_late |= matches!(&it.event, Event::Reported(report) if report.message.starts_with(from));
        it.at_ms += if is_late { by_ms } else { 0 };
    })
}

/// One of Flagger's events more, right before another one.
fn with(events: &[Envelope], before: &str, message: &str) -> Vec<Envelope> {
    let place = events.iter().position(|it| matches!(&it.event, Event::Reported(it) if it.message.starts_with(before)));
    let place = place.expect("there is such an event");
    let more = Event::Reported(Reported { warning: true, message: message.to_owned() });
    let more = Envelope { seq: 0, at_ms: events[place].at_ms, event: more };
    let mut events = events.to_vec();
    events.insert(place, more);
    events
}

fn storm_and(other: &[Envelope]) -> Comparison {
    compare(&streams::storm(), other, None)
}

#[test]
fn two_runs_side_by_side() {
    insta::assert_snapshot!("compare_alike", storm_and(&reworded(&streams::storm(), "71.43%", "70.02%")).text());
    insta::assert_snapshot!("compare_different", storm_and(&streams::healthy()).text());
    insta::assert_snapshot!("compare_different_json", storm_and(&streams::healthy()).json());
}

#[test]
fn runs_are_alike_where_only_the_lab_differs() {
    let storm = streams::storm();
    let waits = "canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 1 updated replicas are available";
    let elsewhere = changed(&storm, |it| {
        it.at_ms += 70_000;
        if let Event::RunStarted(run) = &mut it.event {
            run.lab = "kind".to_owned();
            run.seed = 7;
        }
    });
    let start = "Starting canary analysis";
    for (what, other) in [
        ("the same run", storm.clone()),
        ("another lab, later", elsewhere),
        ("another measured value", reworded(&storm, "71.43%", "12.00%")),
        ("one interval later", late(&storm, start, 15_000)),
        ("a wait for pods and another interval", late(&with(&storm, start, waits), start, 30_000)),
        ("what comes with every tick", with(&storm, "Halt ", "Rollback hook rollback not signaling a rollback")),
    ] {
        let comparison = storm_and(&other);
        assert!(comparison.alike, "{what}\n{}", comparison.text());
    }
}

#[test]
fn what_differed_first_is_said_in_words() {
    let storm = streams::storm();
    let (start, halt) = ("Starting canary analysis", "Halt podinfo.test advancement success rate");
    let policy = changed(&storm, |it| {
        if let Event::RunStarted(run) = &mut it.event {
            run.policy.threshold = 3;
        }
    });
    let weight = changed(&storm, |it| {
        if let Event::RouteChanged(route) = &mut it.event {
            route.canary = route.canary.min(5);
        }
    });
    for (other, first) in [
        (policy, "policy differs: nginx canary, "),
        (late(&storm, start, 15_001), "`Starting canary analysis for podinfo.test` came at 15s here and at 30s there"),
        (
            with(&storm, start, "Copying podinfo.test template spec to podinfo-primary.test"),
            "`Copying podinfo.test template spec to podinfo-primary.test`, at 15s there, is not seen here at this place",
        ),
        (
            reworded(&storm, halt, "Halt podinfo.test advancement request duration"),
            "`Halt podinfo.test advancement success rate",
        ),
        (weight, "weights differs: 0, 10, "),
    ] {
        let comparison = storm_and(&other);
        assert!(!comparison.alike && comparison.first.starts_with(first), "{first}\n{}", comparison.text());
    }
    let strict = compare(&storm, &late(&storm, start, 1_000), Some(Duration::ZERO));
    assert!(!strict.alike && strict.events.iter().any(|it| it.mark == Mark::Different), "{}", strict.text());
}
