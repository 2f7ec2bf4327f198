//! How faults reach an app that has no switch, or half of one.

use super::*;
use crate::model::fault::{DelaySpec, FaultTarget};
use crate::scenario::builtin;
use crate::scenario::plan::{PlannedStep, Release, When};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn step(when: When, act: Act) -> PlannedStep {
    PlannedStep { when, act, text: "the step".to_owned() }
}

fn release(tag: &str) -> PlannedStep {
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": tag}]}}}});
    let release = Release { patch, configs: Vec::new(), version: tag.to_owned() };
    step(When::At(SECOND * 5), Act::Release(release))
}

fn fault(when: When, kind: FaultKind, rate: f64, delay: Option<DelaySpec>) -> PlannedStep {
    let spec = FaultSpec { fault: kind, rate, delay };
    step(when, Act::FaultOn { spec, target: FaultTarget::Canary, lasting: None })
}

fn on_weight(weight: i64) -> When {
    When::OnWeight { weight, within: SECOND * 300 }
}

fn plan(steps: Vec<PlannedStep>) -> Plan {
    let plan = builtin::load("500-storm").and_then(|(plan, _)| plan).unwrap();
    Plan { steps, ..plan }
}

fn containers(plan: &Plan, index: usize) -> Value {
    let Act::Release(release) = &plan.steps[index].act else { panic!("a release") };
    release.patch["spec"]["template"]["spec"]["containers"].clone()
}

#[test]
fn a_fault_that_begins_with_its_release_comes_in_its_template_and_goes_with_the_next() {
    let storm = plan(vec![release("a"), fault(on_weight(10), FaultKind::Http500, 0.3, None), release("b")]);
    let (prepared, notes) = fit(&storm, Switch::Missing).unwrap();
    let http = |path: &str, port: u16| json!({"httpGet": {"path": path, "port": port}});
    let with = json!([{"name": "podinfod", "image": "a", "env": [{"name": "PODINFO_RANDOM_ERROR", "value": "true"}],
        "readinessProbe": http("/healthz", 9797)}]);
    let without = json!([{"name": "podinfod", "image": "b",
        "env": [{"name": "PODINFO_RANDOM_ERROR", "$patch": "delete"}], "readinessProbe": http("/readyz", 9898)}]);
    assert_eq!((containers(&prepared.plan, 0), containers(&prepared.plan, 2)), (with, without));
    assert_eq!(prepared.in_template, [FaultKind::Http500].into());
    assert!(notes[0].starts_with("step 2 (the step): it comes with the release, as PODINFO_RANDOM_ERROR"), "{notes:?}");
}

#[test]
fn delays_are_podinfos_own() {
    let uniform = DelaySpec::Uniform { min_millis: 1000, max_millis: 2000 };
    for (delay, bounds) in [(uniform, ["1000", "2000"]), (DelaySpec::Fixed { millis: 800 }, ["800", "801"])] {
        let spike = plan(vec![release("a"), fault(on_weight(10), FaultKind::Delay, 1.0, Some(delay))]);
        let (prepared, _) = fit(&spike, Switch::AllOr500).unwrap();
        let env = containers(&prepared.plan, 0)[0]["env"].clone();
        let value = |name: &str| env.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()["value"].clone();
        assert_eq!([value("PODINFO_RANDOM_DELAY_MIN"), value("PODINFO_RANDOM_DELAY_MAX")], bounds);
        assert_eq!((value("PODINFO_RANDOM_DELAY"), value("PODINFO_RANDOM_DELAY_UNIT")), (json!("true"), json!("ms")));
    }
}

#[test]
fn a_switch_is_used_as_far_as_it_goes() {
    let all = |rate| plan(vec![release("a"), fault(on_weight(10), FaultKind::Http500, rate, None)]);
    for (switch, rate, in_template) in
        [(Switch::Full, 0.3, false), (Switch::AllOr500, 1.0, false), (Switch::AllOr500, 0.3, true)]
    {
        let (prepared, _) = fit(&all(rate), switch).unwrap();
        assert_eq!(!prepared.in_template.is_empty(), in_template, "{switch:?} at {rate}");
        assert_eq!(prepared.plan == all(rate), !in_template);
    }
}

#[test]
fn what_cannot_be_done_is_said_before_the_run() {
    let storm = || fault(on_weight(10), FaultKind::Http500, 0.3, None);
    let lasting = |lasting| {
        let Act::FaultOn { spec, target, .. } = storm().act else { panic!("a fault") };
        step(on_weight(10), Act::FaultOn { spec, target, lasting })
    };
    let on = |target| {
        let Act::FaultOn { spec, lasting, .. } = storm().act else { panic!("a fault") };
        step(on_weight(10), Act::FaultOn { spec, target, lasting })
    };
    let off = step(on_weight(20), Act::FaultOff { fault: None, target: FaultTarget::All });
    let kind = |kind| fault(on_weight(10), kind, 1.0, None);
    let normal = DelaySpec::Normal { mean_millis: 1.0, std_dev_millis: 1.0 };
    let late = "it begins in the midst of a release";
    for (steps, why) in [
        (vec![storm()], "there is no release before it"),
        (vec![release("a"), fault(on_weight(20), FaultKind::Http500, 0.3, None)], late),
        (vec![release("a"), fault(When::After(SECOND * 20), FaultKind::Http500, 0.3, None)], late),
        (vec![release("a"), fault(When::At(SECOND * 20), FaultKind::Http500, 0.3, None)], late),
        (vec![release("a"), lasting(Some(SECOND))], "it is to end before the release does"),
        (vec![release("a"), storm(), off], "it is to end before the release does"),
        (vec![release("a"), on(FaultTarget::Primary)], "only a fault on the canary"),
        (vec![release("a"), kind(FaultKind::Http503)], "podinfo has no flag for http-503"),
        (vec![release("a"), kind(FaultKind::Hang)], "podinfo has no flag for hang"),
        (vec![release("a"), fault(on_weight(10), FaultKind::Http500, 0.1, None)], "fewer are asked for"),
        (vec![release("a"), fault(on_weight(10), FaultKind::Delay, 0.5, Some(normal))], "podinfo's delay hits every"),
        (vec![release("a"), fault(on_weight(10), FaultKind::Delay, 1.0, Some(normal))], "evenly distributed"),
    ] {
        let error = fit(&plan(steps), Switch::Missing).err().expect(why).to_string();
        assert!(error.contains("it has no /fault_injection") && error.contains(why), "{why}: {error}");
    }
    let mut other = plan(vec![release("a"), storm()]);
    let target = other.objects.iter_mut().find(|it| it["kind"] == "Deployment" && it["metadata"]["name"] == "podinfo");
    target.unwrap()["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/shop:1".into();
    let error = fit(&other, Switch::Missing).err().expect("another app").to_string();
    assert!(error.contains("the app is not podinfo"), "{error}");
}
