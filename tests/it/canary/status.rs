//! Which operation writes which field of the status, and the one condition.

use crate::canary::world::full_status;
use coalmine::canary::{StatusWrite, Sync, status};
use coalmine::model::canary::{Canary, CanaryStatus, Phase};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;

const NOW: &str = "2026-01-01T00:00:00Z";

fn now() -> Timestamp {
    // Fractions of a second are not written.
    "2026-01-01T00:00:00.987Z".parse().unwrap()
}

fn canary(status: CanaryStatus) -> Canary {
    let spec = json!({"spec": {"targetRef": {"kind": "Deployment", "name": "podinfo"}, "analysis": {"iterations": 5}}});
    Canary { status, ..serde_json::from_value(spec).unwrap() }
}

fn sync(phase: Phase, weight: i64) -> StatusWrite {
    let tracked_configs = Some(BTreeMap::from([("configmap/a".to_owned(), "0123456789abcdef".to_owned())]));
    let last_applied = "current".to_owned();
    StatusWrite::Sync(Sync { phase, weight, failed_checks: 0, iterations: 0, last_applied, tracked_configs })
}

/// `phase weight failed iterations applied promoted`; what began as in `full_status` and was not touched is `-`.
fn touched(write: &StatusWrite) -> String {
    let before = full_status();
    let after = write.apply(&canary(before.clone()), now());
    assert_eq!(after.last_transition_time, NOW, "{write:?} does not bump the time");
    let number = |before: i64, after: i64| if before == after { "-".to_owned() } else { after.to_string() };
    let text = |before: &str, after: &str| if before == after { "-".to_owned() } else { after.to_owned() };
    assert_eq!(after.tracked_configs.is_some(), after.last_applied_spec == "current", "they are written together");
    format!(
        "{} {} {} {} {} {}",
        text(before.phase.name(), after.phase.name()),
        number(before.canary_weight, after.canary_weight),
        number(before.failed_checks, after.failed_checks),
        number(before.iterations, after.iterations),
        text(&before.last_applied_spec, &after.last_applied_spec),
        text(&before.last_promoted_spec, &after.last_promoted_spec),
    )
}

/// Section 1.10 of the reference, row by row.
#[test]
fn each_operation_touches_its_own_fields() {
    for (write, fields) in [
        (StatusWrite::SetInitializing, "Initializing - - - - -"),
        (sync(Phase::Initialized, 0), "Initialized 0 0 0 current current"),
        (sync(Phase::Progressing, 0), "Progressing 0 0 0 current -"),
        (sync(Phase::Failed, 0), "Failed 0 0 0 current -"),
        (sync(Phase::Failed, 100), "Failed 100 0 0 current -"),
        (StatusWrite::SetPhase(Phase::Waiting), "Waiting - - - - -"),
        (StatusWrite::SetPhase(Phase::Promoting), "Promoting - - - - -"),
        (StatusWrite::WaitForPromotion { iterations: 4 }, "WaitingPromotion 0 - 4 - -"),
        (StatusWrite::WaitForPromotion { iterations: -1 }, "WaitingPromotion 0 - -1 - -"),
        (StatusWrite::SetPhase(Phase::Finalising), "Finalising 0 - 0 - -"),
        (StatusWrite::SetPhase(Phase::Succeeded), "Succeeded 0 - 0 - applied"),
        (StatusWrite::SetPhase(Phase::Terminating), "Terminating 0 - 0 - -"),
        (StatusWrite::SetWeight(70), "- 70 - - - -"),
        (StatusWrite::SetIterations(9), "- - - 9 - -"),
        (StatusWrite::SetFailedChecks(8), "- - 8 - - -"),
    ] {
        assert_eq!(touched(&write), fields, "{write:?}");
    }
}

/// Section 1.9 of the reference.
#[test]
fn the_condition_says_the_phase_in_words() {
    for (phase, value, message) in [
        (Phase::Initializing, "Unknown", "New Deployment detected, starting initialization."),
        (Phase::Initialized, "True", "Deployment initialization completed."),
        (Phase::Waiting, "Unknown", "Waiting for approval."),
        (Phase::Progressing, "Unknown", "New revision detected, progressing canary analysis."),
        (Phase::WaitingPromotion, "Unknown", "Waiting for approval."),
        (Phase::Promoting, "Unknown", "Canary analysis completed, starting primary rolling update."),
        (Phase::Finalising, "Unknown", "Canary analysis completed, routing all traffic to primary."),
        (Phase::Succeeded, "True", "Canary analysis completed successfully, promotion finished."),
        (Phase::Failed, "False", "Canary analysis failed, Deployment scaled to zero."),
        (Phase::Terminating, "Unknown", "New Deployment detected, starting initialization."),
    ] {
        assert_eq!(status::condition_of(phase, "Deployment"), (value, message.to_owned()), "{phase}");
        let after = sync(phase, 0).apply(&canary(CanaryStatus::default()), now());
        let [condition] = after.conditions.as_slice() else { panic!("{phase}: {:?}", after.conditions) };
        let said = (condition.kind.as_str(), condition.status.as_str(), condition.reason.as_str(), &condition.message);
        assert_eq!(said, ("Promoted", value, phase.name(), &message.to_owned()));
    }
}

#[test]
fn a_transition_is_a_change_of_true_false_unknown() {
    let at = |second: i64| Timestamp::from_second(1_767_225_600 + second).unwrap();
    let mut it = canary(CanaryStatus::default());
    let mut seen = Vec::new();
    for (second, write) in [
        (0, sync(Phase::Progressing, 0)),
        (15, StatusWrite::SetPhase(Phase::Promoting)),
        (30, StatusWrite::SetPhase(Phase::Finalising)),
        (45, StatusWrite::SetPhase(Phase::Succeeded)),
        // The same reason again replaces nothing.
        (60, StatusWrite::SetPhase(Phase::Succeeded)),
        (75, StatusWrite::SetWeight(3)),
    ] {
        it.status = write.apply(&it, at(second));
        let condition = &it.status.conditions[0];
        let seconds = |time: &str| time["2026-01-01T00:".len()..time.len() - 1].to_owned();
        seen.push((seconds(&condition.last_update_time), seconds(&condition.last_transition_time)));
    }
    let wanted = ["00:00 00:00", "00:15 00:00", "00:30 00:00", "00:45 00:45", "00:45 00:45", "00:45 00:45"];
    let seen: Vec<_> = seen.iter().map(|(updated, moved)| format!("{updated} {moved}")).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn the_gauge_folds_the_phases_into_three() {
    for (phase, value) in [
        (Phase::Progressing, 0),
        (Phase::Failed, 2),
        (Phase::Initialized, 1),
        (Phase::Waiting, 1),
        (Phase::WaitingPromotion, 1),
        (Phase::Promoting, 1),
        (Phase::Finalising, 1),
        (Phase::Succeeded, 1),
    ] {
        assert_eq!(status::gauge(phase), value, "{phase}");
    }
}
