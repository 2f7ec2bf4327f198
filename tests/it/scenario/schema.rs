//! The schema for editors, and that it says the same as the reader.

use super::{GOOD, TestFiles, edited, load, render};
use coalmine::scenario::{self, Severity, builtin};
use coalmine::sys::yaml::{Dialect, documents};

fn fits(validator: &jsonschema::Validator, text: &str) -> bool {
    let documents = documents(text, Dialect::Strict).expect("the case is YAML");
    validator.is_valid(&documents[0].to_json())
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&scenario::schema()).expect("the schema is one")
}

#[test]
fn it_is_draft_2020_12_and_describes_every_field() {
    let schema = scenario::schema();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let described = property.get("description").is_some() || property.get("$ref").is_some();
        assert!(described, "{name} has no description");
    }
}

#[test]
fn built_in_scenarios_fit() {
    let validator = validator();
    for name in builtin::names() {
        let text = builtin::text(name).expect("it is built in");
        let json = documents(text, Dialect::Strict).expect("it is YAML")[0].to_json();
        let errors: Vec<String> =
            validator.iter_errors(&json).map(|it| format!("{}: {it}", it.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

/// The schema and the reader take the same files and refuse the same files, as far as shapes go.
#[test]
fn it_agrees_with_the_reader() {
    let validator = validator();
    let cases: &[(bool, &[(&str, &str)])] = &[
        (true, &[]),
        (true, &[("at: 10s", "at: 1m30s")]),
        (true, &[("constant: 100", "poisson: 99.5")]),
        (true, &[("{constant: 100}", "{ramp: {from: 100, to: 200, over: 1m}}")]),
        (true, &[("rate: 30%", "rate: 0.3")]),
        (true, &[("fault: http-500, rate: 30%", "fault: delay, delay: 800ms")]),
        (true, &[("fault: http-500, rate: 30%", "fault: delay, delay: {normal: {mean: 1s, stdDev: 100ms}}")]),
        (true, &[("fault: http-500, rate: 30%", "fault: delay, delay: {exponential: {mean: 1s}}")]),
        (true, &[("tag: 6.9.3", "tag: 6.9.3, faults: [never-ready, {slow-start: 30s}], env: {A: 1, B: true, C: x}")]),
        (true, &[("verdict: promoted", "failedChecks: {atLeast: 1}\n  verdict: promoted")]),
        (true, &[("verdict: promoted", "failedChecks: 3\n  verdict: promoted")]),
        (true, &[("arrivals:", "headers: {x-user: 7}\n    method: POST\n    path: /echo?a=b\n    arrivals:")]),
        (true, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "traffic: {stop: [visitors]}")]),
        (true, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "openGate")]),
        (true, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "openGate:")]),
        (true, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "faultOff")]),
        (false, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "release")]),
        (false, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "openGate: []")]),
        (false, &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "openGate: {}\n    closeGate: {}")]),
        (false, &[("name: base", "name: Base")]),
        (false, &[("title:", "titel:")]),
        (false, &[("at: 10s", "at: 10")]),
        (false, &[("at: 10s", "at: 10sec")]),
        (false, &[("at: 10s", "att: 10s")]),
        (false, &[("tag: 6.9.3", "tag: 6.9")]),
        (false, &[("constant: 100", "constant: 0")]),
        (false, &[("constant: 100", "constant: 100, poisson: 3")]),
        (false, &[("rate: 30%", "rate: 1.5")]),
        (false, &[("rate: 30%", "rate: 30 percent")]),
        (false, &[("http-500", "crash")]),
        (false, &[("tag: 6.9.3", "tag: 6.9.3, faults: [hang]")]),
        (false, &[("onWeight: 10", "onWeight: 101")]),
        (false, &[("onPhase: WaitingPromotion", "onPhase: Finalizing")]),
        (false, &[("openGate:", "opengate:")]),
        (false, &[("verdict: promoted", "verdict: interrupted")]),
        (false, &[("verdict: promoted", "failedChecks: {}\n  verdict: promoted")]),
        (false, &[("arrivals:", "method: get\n    arrivals:")]),
        (false, &[("arrivals:", "path: echo\n    arrivals:")]),
    ];
    for (good, edits) in cases {
        let text = edited(edits);
        let (_, problems) = load(&text);
        let errors: Vec<_> = problems.into_iter().filter(|it| it.severity == Severity::Error).collect();
        assert_eq!(errors.is_empty(), *good, "reader, {edits:?}: {}", render(&errors));
        assert_eq!(fits(&validator, &text), *good, "schema, {edits:?}");
    }
}

#[test]
fn a_shown_scenario_can_be_saved_anywhere() {
    for name in builtin::names() {
        let shown = coalmine::cli::scenarios::show(name);
        assert_eq!(shown.code, 0);
        let (plan, problems) = scenario::load("elsewhere/mine.yaml", &shown.out, &TestFiles);
        assert_eq!((render(&problems).as_str(), plan.is_some()), ("", true), "{name}");
    }
    assert!(GOOD.contains("builtin:"));
}
