//! JUnit XML: one suite for the run, a case for the verdict and one for each expectation.

use crate::event::{Envelope, Expectation};
use crate::state::{LabState, why};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The run as JUnit XML. No machine time is written, so the same record gives the same bytes.
#[must_use]
pub fn junit(events: &[Envelope]) -> String {
    let state = LabState::of(events);
    let scenario = state.run.as_ref().map_or("", |it| it.scenario.as_str());
    let time = Duration::from_millis(state.scenario_ms(state.now_ms).unsigned_abs());
    let class = format!("coalmine.{scenario}");
    let mut suite = TestSuite::new(scenario);
    suite.set_time(time);
    for (name, value) in properties(&state) {
        suite.add_property((name, value.as_str()));
    }
    let mut verdict = verdict(&state);
    verdict.set_classname(class.as_str()).set_time(time);
    suite.add_test_case(verdict);
    for it in state.ended.iter().flat_map(|it| &it.expectations) {
        let mut case = expectation(it);
        case.set_classname(class.as_str());
        suite.add_test_case(case);
    }
    let mut report = Report::new("coalmine");
    report.set_time(time).add_test_suite(suite);
    report.to_string().expect("a report of plain text has an XML form")
}

fn properties(state: &LabState) -> Vec<(&'static str, String)> {
    state.run.as_ref().map_or_else(Vec::new, |it| {
        vec![
            ("lab", it.lab.clone()),
            ("clock", it.clock.words().to_owned()),
            ("seed", it.seed.to_string()),
            ("coalmine", it.version.clone()),
        ]
    })
}

fn verdict(state: &LabState) -> TestCase {
    let Some(ended) = &state.ended else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message("the record has no end: the run was killed").set_description(why(state).text);
        return TestCase::new("verdict", status);
    };
    let mut case = if ended.as_expected() {
        TestCase::new("verdict", TestCaseStatus::success())
    } else {
        let unmet = ended.expectations.iter().filter(|it| !it.met).count();
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let message =
            format!("{}, with {unmet} of {} expectations not met", ended.outcome.words(), ended.expectations.len());
        status.set_message(message).set_description(ended.why.as_str());
        TestCase::new("verdict", status)
    };
    case.set_system_out(format!("{ended}\n{}", ended.next));
    case
}

fn expectation(it: &Expectation) -> TestCase {
    if it.met {
        return TestCase::new(it.text.as_str(), TestCaseStatus::success());
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(format!("seen: {}", it.seen)).set_type("expectation");
    TestCase::new(it.text.as_str(), status)
}
