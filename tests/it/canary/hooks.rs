//! Webhooks: when each type is called, with which body, and what its answer does.

use crate::canary::world::{Ticked, World};
use coalmine::canary::{Event, Level, Tell, hooks};
use coalmine::model::canary::Phase;
use serde_json::{Value, json};

fn with_hook(kind: &str, more: &Value) -> World {
    let mut hook = json!({"name": "gate", "type": kind, "url": "http://tester.test/gate"});
    crate::canary::world::merge(&mut hook, more);
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 50, "maxWeight": 50, "webhooks": [hook]}}));
    world.release("podinfo:6.9.3");
    world
}

/// At which ticks a hook of this type is called and with which phase, over a run that goes well.
fn calls_of(kind: &str) -> Vec<String> {
    let mut world = with_hook(kind, &json!({}));
    // A rollback hook that passes rolls back; the others pass.
    if kind == "rollback" {
        world.script.hook = Box::new(|_, _| Err("Forbidden".to_owned()));
    }
    let mut calls = Vec::new();
    for tick in 0..6 {
        let ticked = world.tick();
        calls.extend(ticked.calls.iter().map(|it| format!("k{tick} {}", it.payload["phase"].as_str().unwrap())));
    }
    assert_eq!(world.canary.status.phase, Phase::Succeeded);
    calls
}

/// Section 3.12 of the reference: when, and the phase in the body.
#[test]
fn each_type_is_called_in_its_place_with_its_phase() {
    for (kind, calls) in [
        ("confirm-rollout", vec!["k0 Initialized"]),
        ("pre-rollout", vec!["k1 Progressing"]),
        ("rollout", vec!["k2 Progressing"]),
        ("", vec!["k2 Progressing"]),
        ("confirm-traffic-increase", vec!["k1 Progressing", "k2 Progressing"]),
        ("confirm-promotion", vec!["k2 Progressing"]),
        ("rollback", vec!["k1 Progressing", "k2 Progressing"]),
        ("post-rollout", vec!["k4 Succeeded"]),
    ] {
        assert_eq!(calls_of(kind), calls, "type {kind:?}");
    }
}

/// The tick at which the hook is first asked, with the hook refusing there.
fn refused(kind: &str, more: &Value, tick: usize) -> (World, Ticked) {
    let mut world = with_hook(kind, more);
    world.script.hook = Box::new(|_, _| Err("Forbidden".to_owned()));
    for _ in 0..tick {
        world.tick();
    }
    let ticked = world.tick();
    (world, ticked)
}

/// Section 3.12: what a refusal does, said in events, alerts, and strikes.
#[test]
fn a_refusal_has_its_words_and_only_checks_are_strikes() {
    let halt = "W Halt podinfo.test advancement";
    for (kind, tick, event, alert, failed) in [
        (
            "confirm-rollout",
            0,
            format!("{halt} waiting for approval gate"),
            Some("warn canary is waiting for approval."),
            0,
        ),
        ("pre-rollout", 1, format!("{halt} pre-rollout check gate failed Forbidden"), None, 1),
        ("rollout", 2, format!("{halt} external check gate failed Forbidden"), None, 1),
        (
            "confirm-traffic-increase",
            1,
            format!("{halt} waiting for traffic increase approval gate"),
            Some("warn canary traffic increase is waiting for approval."),
            0,
        ),
        (
            "confirm-promotion",
            2,
            format!("{halt} waiting for promotion approval gate"),
            Some("warn canary promotion is waiting for approval."),
            0,
        ),
        ("rollback", 1, "N Rollback hook gate not signaling a rollback".to_owned(), None, 0),
    ] {
        let (world, ticked) = refused(kind, &json!({}), tick);
        assert!(ticked.events.contains(&event), "{kind}: {:?}", ticked.events);
        assert_eq!(ticked.alerts, alert.into_iter().collect::<Vec<_>>(), "{kind}");
        assert_eq!(world.canary.status.failed_checks, failed, "{kind}");
        let (_, muted) = refused(kind, &json!({"muteAlert": true}), tick);
        assert!(muted.alerts.is_empty(), "{kind}: muteAlert mutes");
        assert_eq!(muted.events, ticked.events, "{kind}: muteAlert mutes alerts alone");
    }
}

#[test]
fn passing_hooks_say_so_except_rollout_and_rollback_has_the_last_word() {
    for (kind, tick, event) in [
        ("confirm-rollout", 0, Some("N Confirm-rollout check gate passed")),
        ("pre-rollout", 1, Some("N Pre-rollout check gate passed")),
        ("rollout", 2, None),
        ("confirm-traffic-increase", 1, Some("N Confirm-traffic-increase check gate passed")),
        ("confirm-promotion", 2, Some("N Confirm-promotion check gate passed")),
        ("rollback", 1, Some("W Rollback check gate passed")),
        ("post-rollout", 4, Some("N Post-rollout check gate passed")),
    ] {
        let mut world = with_hook(kind, &json!({}));
        let ticked = (0..=tick).map(|_| world.tick()).last().unwrap();
        let said = ticked.events.iter().find(|it| it.contains("gate")).map(String::as_str);
        assert_eq!(said, event, "{kind}");
    }
}

#[test]
fn a_failing_post_rollout_hook_stops_the_rest_and_changes_nothing_else() {
    let hook = |name: &str| json!({"name": name, "type": "post-rollout", "url": "http://tester.test/"});
    let hooks = [hook("one"), hook("two"), hook("three")];
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 100, "webhooks": hooks}}));
    world.release("podinfo:6.9.3");
    world.script.hook = Box::new(|_, call| if call.hook.name == "two" { Err("no".to_owned()) } else { Ok(()) });
    let last = (0..5).map(|_| world.tick()).last().unwrap();
    let wanted = [
        "N Post-rollout check one passed",
        "W Post-rollout hook two failed no",
        "N Promotion completed! Scaling down podinfo.test",
    ];
    assert_eq!(last.events, wanted);
    assert_eq!(world.canary.status.phase, Phase::Succeeded);
}

#[test]
fn a_body_carries_name_phase_checksum_and_the_hooks_own_metadata() {
    let mut world = with_hook("pre-rollout", &json!({"metadata": {"type": "bash", "cmd": "true"}}));
    world.tick();
    let ticked = world.tick();
    let mut payload = ticked.calls[0].payload.clone();
    let checksum = payload.as_object_mut().unwrap().shift_remove("checksum").unwrap();
    assert!(checksum.as_str().unwrap().len() >= 8, "{checksum}");
    let wanted = json!({"name": "podinfo", "namespace": "test", "phase": "Progressing",
        "metadata": {"cmd": "true", "type": "bash"}});
    assert_eq!(payload, wanted);
    // One checksum per revision.
    let mut other = with_hook("pre-rollout", &json!({}));
    other.release("podinfo:7.0.0");
    other.tick();
    let call = &other.tick().calls[0];
    assert_ne!(call.payload["checksum"], checksum);
    assert!(call.payload.get("metadata").is_none(), "empty metadata is left out");
}

#[test]
fn event_hooks_get_every_event_and_replace_the_global_one() {
    let world = with_hook("event", &json!({"metadata": {"team": "a", "eventType": "mine"}}));
    let event = Event { level: Level::Error, message: "something".to_owned(), phase: Phase::Failed };
    let calls = hooks::event_calls(&world.canary, &event, 1_767_225_600_123, Some("http://global/"));
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].hook.url, "http://tester.test/gate");
    let wanted =
        json!({"eventMessage": "something", "eventType": "Warning", "timestamp": "1767225600123", "team": "a"});
    assert_eq!(calls[0].payload["metadata"], wanted, "own keys do not replace the event's");
    assert_eq!(calls[0].payload["phase"], "Failed");
    let without = World::initialised(&json!({"analysis": {"stepWeight": 50}}));
    let calls = hooks::event_calls(&without.canary, &event, 0, Some("http://global/"));
    assert_eq!(calls[0].hook.url, "http://global/");
    assert!(hooks::event_calls(&without.canary, &event, 0, None).is_empty());
}

#[test]
fn events_are_about_the_phase_that_they_announce() {
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 100, "threshold": 1}}));
    world.release("podinfo:6.9.3");
    let phases = |ticked: &Ticked| -> Vec<Phase> {
        let of = |it: &Tell| if let Tell::Event(event) = it { Some(event.phase) } else { None };
        ticked.told.iter().filter_map(of).collect()
    };
    assert_eq!(phases(&world.tick()), [Phase::Progressing], "New revision detected");
    for _ in 0..3 {
        world.tick();
    }
    assert_eq!(phases(&world.tick()), [Phase::Succeeded], "Promotion completed");
}
