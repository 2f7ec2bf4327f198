//! Releases as patches, weights as Flagger takes them, texts with stars, problems as they are printed.

use crate::model::canary::{Analysis, Canary};
use crate::model::fault::FaultKind;
use crate::scenario::facts::matches;
use crate::scenario::format::{At, ReleaseFile, TemplateFault, WhenFile};
use crate::scenario::policy;
use crate::scenario::problem::{Problem, Severity, nearest};
use crate::scenario::release::{Container, MISSING_TAG, Template, UNKNOWN_FLAG, split_image};
use crate::sys::yaml::Place;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

fn at<T>(value: T) -> At<T> {
    At { value, place: Place::default() }
}

fn release() -> ReleaseFile {
    ReleaseFile {
        when: WhenFile::default(),
        tag: None,
        image: None,
        env: BTreeMap::new(),
        args: None,
        annotations: BTreeMap::new(),
        configs: BTreeMap::new(),
        faults: Vec::new(),
        complete: true,
    }
}

fn with_fault(kind: FaultKind, delay: Option<Duration>) -> ReleaseFile {
    ReleaseFile { faults: vec![at(TemplateFault { kind, delay })], ..release() }
}

fn template(command: &[&str]) -> Template {
    let container = json!({
        "name": "app", "image": "registry:5000/app:1", "command": command,
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 1}, "initialDelaySeconds": 2},
    });
    let deployment = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    Template::new(Container::of(&deployment).unwrap())
}

/// The container of a patch.
fn container(patch: &Value) -> &Value {
    &patch["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn a_release_says_only_what_changes() {
    let mut template = template(&[]);
    assert_eq!(template.release(&release()), json!({}));
    let patch = template.release(&ReleaseFile { tag: Some(at("2".to_owned())), ..release() });
    assert_eq!(container(&patch), &json!({"image": "registry:5000/app:2", "name": "app"}));
    assert_eq!(template.tag(), "2");
    let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let patch = template.release(&ReleaseFile { annotations, ..release() });
    assert_eq!(patch, json!({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}));
    let env = BTreeMap::from([("X".to_owned(), at("1".to_owned()))]);
    let patch = template.release(&ReleaseFile { env, ..release() });
    assert_eq!(container(&patch), &json!({"env": [{"name": "X", "value": "1"}], "name": "app"}));
}

#[test]
fn a_fault_of_a_release_is_mended_by_the_next_one() {
    for (fault, delay, broken, mended) in [
        (
            FaultKind::ImagePull,
            None,
            json!({"image": format!("registry:5000/app:{MISSING_TAG}"), "name": "app"}),
            json!({"image": "registry:5000/app:1", "name": "app"}),
        ),
        (
            FaultKind::Crash,
            None,
            json!({"command": ["./app", "--port=1", UNKNOWN_FLAG], "name": "app"}),
            json!({"command": ["./app", "--port=1"], "name": "app"}),
        ),
        (
            FaultKind::NeverReady,
            None,
            json!({"env": [{"name": "PODINFO_UNREADY", "value": "true"}], "name": "app"}),
            json!({"env": [{"name": "PODINFO_UNREADY", "$patch": "delete"}], "name": "app"}),
        ),
        (
            FaultKind::SlowStart,
            Some(Duration::from_millis(29_500)),
            json!({"readinessProbe": {"initialDelaySeconds": 30}, "name": "app"}),
            json!({"readinessProbe": {"initialDelaySeconds": 2}, "name": "app"}),
        ),
    ] {
        let mut template = template(&["./app", "--port=1"]);
        let patch = template.release(&with_fault(fault, delay));
        assert_eq!(container(&patch), &broken, "{fault:?}");
        assert_eq!(container(&template.release(&release())), &mended, "{fault:?}");
        assert_eq!(template.release(&release()), json!({}), "{fault:?}");
    }
}

#[test]
fn a_crash_goes_where_the_flags_are() {
    for (command, key) in [(&[][..], "args"), (&["./app"][..], "args"), (&["./app", "--x"][..], "command")] {
        let patch = template(command).release(&with_fault(FaultKind::Crash, None));
        assert!(container(&patch)[key].to_string().contains(UNKNOWN_FLAG), "{command:?}: {patch}");
    }
}

#[test]
fn images_are_split_at_their_tag() {
    for (image, parts) in [
        ("app:1", ("app", "1")),
        ("host:5000/app", ("host:5000/app", "")),
        ("host:5000/app:1", ("host:5000/app", "1")),
        ("app:1@sha256:abc", ("app", "1")),
        ("", ("", "")),
    ] {
        assert_eq!(split_image(image), parts, "{image}");
    }
}

#[test]
fn weights_are_taken_as_flagger_takes_them() {
    let analysis = |step_weight, max_weight, step_weights: &[i64]| Analysis {
        step_weight,
        max_weight,
        step_weights: step_weights.to_vec(),
        ..Analysis::default()
    };
    for (given, weights) in [
        (analysis(10, 50, &[]), vec![10, 20, 30, 40, 50]),
        (analysis(20, 50, &[]), vec![20, 40, 60]),
        (analysis(40, 0, &[]), vec![40, 80, 100]),
        (analysis(0, 0, &[1, 10, 80]), vec![1, 10, 80]),
        (analysis(0, 0, &[50, 120]), vec![50, 100]),
        // They stick where the step is not above zero.
        (analysis(0, 0, &[10, 20, 20, 50]), vec![10, 20]),
        (analysis(0, 50, &[]), vec![]),
    ] {
        assert_eq!(policy::weights(&given), weights, "{given:?}");
    }
}

#[test]
fn the_shortest_promotion_is_counted_in_intervals() {
    let canary = |spec: Value| serde_json::from_value::<Canary>(json!({"metadata": {}, "spec": spec})).unwrap();
    for (spec, intervals) in [
        (json!({"provider": "nginx", "analysis": {"stepWeight": 10, "maxWeight": 50}}), 8),
        (json!({"provider": "nginx", "analysis": {"stepWeight": 10, "maxWeight": 50, "stepWeightPromotion": 25}}), 9),
        (json!({"provider": "nginx", "analysis": {"iterations": 3}}), 7),
        (json!({"provider": "nginx", "analysis": {"iterations": 3, "match": [{}]}}), 6),
        (json!({"provider": "kubernetes", "analysis": {"stepWeight": 10}}), 14),
        (json!({"provider": "nginx", "skipAnalysis": true, "analysis": {}}), 1),
    ] {
        assert_eq!(policy::intervals_to_promotion(&canary(spec.clone())), intervals, "{spec}");
    }
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, expected) in [
        ("a b", "a b", true),
        ("a b", "a b c", false),
        ("a *", "a b c", true),
        ("* c", "a b c", true),
        ("a * c", "a b c", true),
        ("a*c*e", "abcde", true),
        ("a*e*c", "abcde", false),
        ("*", "", true),
        ("", "a", false),
        ("ab*b", "ab", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_near_word_is_found_and_a_far_one_is_not() {
    let known = ["title", "timeLimit", "traffic", "tag", "rolled-back"];
    for (word, near) in [
        ("titel", Some("title")),
        ("tga", Some("tag")),
        ("timelimit", Some("timeLimit")),
        ("rolled_back", Some("rolled-back")),
        ("zzz", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, &known), near, "{word}");
    }
}

#[test]
fn long_lines_and_tabs_keep_the_caret_in_sight() {
    let problem = |line: String, column, length| Problem {
        severity: Severity::Error,
        file: "f.yaml".to_owned(),
        place: Some(Place { line: 7, column, length }),
        line,
        message: "no".to_owned(),
        help: String::new(),
    };
    let drawn = |problem: &Problem| problem.to_string().lines().map(str::to_owned).collect::<Vec<_>>();
    let lines = drawn(&problem("\tab".to_owned(), 2, 9));
    assert_eq!(lines[2..], [" 7 |  ab", "   |  ^^"]);
    let lines = drawn(&problem(format!("{}X{}", "a".repeat(500), "b".repeat(500)), 501, 1));
    let (text, caret) = (lines[2].chars().position(|it| it == 'X'), lines[3].chars().position(|it| it == '^'));
    assert!(text.is_some() && text == caret, "{lines:#?}");
    // A place past the end of its line.
    assert_eq!(drawn(&problem("ab".to_owned(), 9, 3)).len(), 4);
}
