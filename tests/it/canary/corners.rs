//! Corners where Flagger surprises, and choices of `docs/flagger-open-points.md`.

use crate::canary::world::{World, status_gauges};
use coalmine::canary::alerts::{Receivers, receivers};
use coalmine::canary::{Alert, ApiError, ApiReason, QueryError, Severity};
use coalmine::model::canary::{Canary, Phase};
use serde_json::{Value, json};

fn released(spec: &Value) -> World {
    let mut world = World::initialised(spec);
    world.release("podinfo:6.9.3");
    world
}

/// The events of the next ticks, one line each.
fn events(world: &mut World, ticks: usize) -> Vec<String> {
    (0..ticks).flat_map(|_| world.tick().events).collect()
}

#[test]
fn header_rules_with_a_step_weight_promote_at_the_second_analysis() {
    let matches = json!([{"headers": {"x-canary": {"exact": "insider"}}}]);
    let mut world = released(&json!({"analysis": {"stepWeight": 10, "match": matches}}));
    world.tick();
    assert_eq!(world.tick().events.last().unwrap(), "N Advance podinfo.test canary weight 10");
    assert_eq!(world.live_weight(), 100);
    assert_eq!(world.tick().events, ["N Copying podinfo.test template spec to podinfo-primary.test"]);
}

#[test]
fn mirroring_on_nginx_never_leaves_weight_zero() {
    let gateway = json!({"provider": "gatewayapi:v1", "service": {"gatewayRefs": [{"name": "gateway"}]},
        "analysis": {"stepWeight": 10, "mirror": true}});
    for spec in [json!({"analysis": {"stepWeight": 10, "mirror": true}}), gateway] {
        let mut world = released(&spec);
        world.tick();
        for _ in 0..4 {
            let wanted = ["N Starting canary analysis for podinfo.test", "N Advance podinfo.test canary weight 0"];
            assert_eq!(world.tick().events, wanted);
        }
    }
}

#[test]
fn equal_neighbours_in_step_weights_stop_without_a_word() {
    let mut world = released(&json!({"analysis": {"stepWeights": [10, 10, 50]}}));
    assert_eq!(events(&mut world, 2).last().unwrap(), "N Advance podinfo.test canary weight 10");
    assert_eq!(events(&mut world, 5), Vec::<String>::new());
    assert_eq!(world.canary.status.phase, Phase::Progressing);
}

#[test]
fn a_promotion_step_with_no_weight_left_waits_for_ever() {
    let mut world = released(&json!({"analysis": {"stepWeight": 50, "maxWeight": 50, "stepWeightPromotion": 25}}));
    events(&mut world, 3);
    assert_eq!(world.canary.status.phase, Phase::Promoting);
    world.delete("Ingress", "podinfo-canary");
    assert_eq!(events(&mut world, 5), Vec::<String>::new());
    assert_eq!(world.canary.status.phase, Phase::Promoting);
}

#[test]
fn a_blue_green_gate_is_asked_every_second_tick() {
    let hook = json!({"name": "gate", "type": "confirm-promotion", "url": "http://h/"});
    let mut world = released(&json!({"analysis": {"iterations": 2, "webhooks": [hook]}}));
    world.script.hook = Box::new(|_, _| Err("Forbidden".to_owned()));
    events(&mut world, 3);
    assert_eq!(events(&mut world, 1), ["W Halt podinfo.test advancement waiting for promotion approval gate"]);
    assert_eq!((world.canary.status.phase, world.canary.status.iterations), (Phase::WaitingPromotion, 1));
    assert_eq!(events(&mut world, 1), ["N Advance podinfo.test canary iteration 2/2"]);
    assert_eq!(events(&mut world, 1), Vec::<String>::new(), "asked again, in silence");
    assert_eq!(world.canary.status.iterations, 1);
}

#[test]
fn a_metric_that_asks_nothing_is_a_strike() {
    let mut world = released(&json!({"analysis": {"stepWeight": 10, "metrics": [{"name": "latency"}]}}));
    events(&mut world, 2);
    let words = "E Metric query failed for no usable metrics template and query were configured";
    assert_eq!(events(&mut world, 1), [words]);
    assert_eq!(world.canary.status.failed_checks, 1);
}

/// Section 4.5 and 4.6: what each kind of check says when it has no value or cannot be asked.
#[test]
fn a_check_without_a_value_has_its_words() {
    let builtin = |name: &str| json!({"name": name, "thresholdRange": {"min": 0}});
    let inline = json!({"name": "errors", "query": "sum(\n  x)"});
    let template =
        json!({"name": "errors", "templateRef": {"name": "rate"}, "interval": "30s", "templateVariables": {"a": "b"}});
    let unhealthy = "probably podinfo.test is not receiving traffic";
    for (provider, metric, none, failed) in [
        (
            "nginx",
            builtin("request-success-rate"),
            format!(
                "W Halt advancement no values found for nginx metric request-success-rate {unhealthy}: running query failed: no values found"
            ),
            "E Prometheus query failed: running query failed: broken",
        ),
        (
            "nginx",
            builtin("request-duration"),
            format!("W Halt advancement no values found for nginx metric request-duration {unhealthy}"),
            "E Prometheus query failed: running query failed: broken",
        ),
        (
            "kubernetes",
            builtin("request-success-rate"),
            format!(
                "W Halt advancement no values found for kubernetes metric request-success-rate {unhealthy}: no values found"
            ),
            "E Prometheus query failed: broken",
        ),
        (
            "nginx",
            inline,
            "W Halt advancement no values found for metric: errors".to_owned(),
            "E Prometheus query failed for errors: broken",
        ),
        (
            "nginx",
            template,
            "W Halt advancement no values found for custom metric: errors: no values found".to_owned(),
            "E Metric query failed for errors: broken",
        ),
    ] {
        let analysis = json!({"iterations": 5, "metrics": [metric]});
        let mut world = released(&json!({"provider": provider, "analysis": analysis}));
        world.edit("Secret", "login", &login());
        world.edit("MetricTemplate", "rate", &metric_template("rate(x{a=\"{{ variables.a }}\"}[{{ interval }}])"));
        world.script.metric = Box::new(|tick, _| {
            Err(if tick == 2 { QueryError::NoValues } else { QueryError::Failed("broken".to_owned()) })
        });
        events(&mut world, 2);
        assert_eq!(events(&mut world, 1), [none], "{metric}");
        assert_eq!(events(&mut world, 1), [failed], "{metric}");
        assert_eq!(world.canary.status.failed_checks, 2);
    }
}

fn metric_template(query: &str) -> Value {
    json!({"apiVersion": "flagger.app/v1beta1", "kind": "MetricTemplate", "metadata": {"name": "rate", "namespace": "test"},
        "spec": {"provider": {"type": "prometheus", "address": "http://other:9090", "secretRef": {"name": "login"}}, "query": query}})
}

/// User `anna`, password `secret`.
fn login() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "test"},
        "data": {"username": "YW5uYQ==", "password": "c2VjcmV0"}})
}

fn templated() -> World {
    let metric =
        json!({"name": "errors", "templateRef": {"name": "rate"}, "interval": "30s", "thresholdRange": {"max": 1}});
    let mut world = released(&json!({"analysis": {"stepWeight": 10, "metrics": [metric]}}));
    world.edit("Secret", "login", &login());
    world.edit("MetricTemplate", "rate", &metric_template("rate(\n   x[{{ interval }}])"));
    world
}

#[test]
fn a_template_asks_its_own_server_with_its_own_login() {
    let mut world = templated();
    world.script.metric = Box::new(|_, _| Ok(1.5));
    events(&mut world, 2);
    let ticked = world.tick();
    assert_eq!(ticked.events, ["W Halt podinfo.test advancement errors 1.50 > 1"]);
    let [query] = ticked.queries.as_slice() else { panic!("{:?}", ticked.queries) };
    assert_eq!((query.server.address.as_str(), query.query.as_str()), ("http://other:9090", "rate( x[30s])"));
    assert_eq!((query.server.username.as_str(), query.server.password.as_str()), ("anna", "secret"));
}

#[test]
fn what_is_wrong_with_a_template_is_said_and_is_a_strike() {
    let wrong = |edit: fn(&mut World)| {
        let mut world = templated();
        events(&mut world, 2);
        edit(&mut world);
        let events = world.tick().events;
        assert_eq!(world.canary.status.failed_checks, 1);
        events
    };
    assert_eq!(
        wrong(|world| world.delete("MetricTemplate", "rate")),
        ["E Metric template rate.test error: metrictemplate.flagger.app \"rate\" not found"]
    );
    assert_eq!(
        wrong(|world| world.delete("Secret", "login")),
        ["E Metric template rate.test secret login error: secrets \"login\" not found"]
    );
    assert_eq!(
        wrong(|world| world.edit("Secret", "login", &json!({"data": {"password": null}}))),
        ["E Metric template rate.test provider prometheus error: prometheus credentials does not contain a password"]
    );
    assert_eq!(
        wrong(|world| world.edit("MetricTemplate", "rate", &metric_template("{{ variables.x }}"))),
        [
            "E Metric template rate.test query render error: template excution failed: template: tmpl:1:3: executing \"tmpl\" \
             at <variables>: map has no entry for key \"x\""
        ]
    );
    let mut world = templated();
    events(&mut world, 2);
    world.edit("MetricTemplate", "rate", &json!({"spec": {"provider": {"type": "datadog"}}}));
    assert_eq!(
        world.tick().events,
        ["E Metric template rate.test provider datadog error: coalmine asks only Prometheus"]
    );
}

/// The gauge over a run, as section 9.3 of the reference tells it.
#[test]
fn the_status_gauge_is_zero_from_the_detection_to_the_promotion() {
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 50, "maxWeight": 50}}));
    let mut seen = vec![status_gauges(&world.tick())];
    world.ready_in.insert("podinfo-primary".to_owned(), vec![1]);
    world.release("podinfo:6.9.3");
    for _ in 0..8 {
        seen.push(status_gauges(&world.tick()));
    }
    let wanted: [&[i64]; 9] = [
        &[1],
        // Detection: the phase that was read, then the one that was written.
        &[1, 0],
        &[0],
        &[0],
        // The primary is not ready: the tick ends before the gauge.
        &[],
        &[1],
        &[1, 1],
        &[1],
        &[1],
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn a_deployment_that_changes_under_the_promotion_is_written_again() {
    let mut world = released(&json!({"analysis": {"stepWeight": 100}}));
    events(&mut world, 2);
    let conflict = || ApiError { reason: ApiReason::Conflict, message: "the object has been modified".to_owned() };
    world.script.write = Box::new(move |_, number| (number <= 2).then(conflict));
    assert_eq!(events(&mut world, 1), ["N Copying podinfo.test template spec to podinfo-primary.test"]);
    assert_eq!(
        (world.canary.status.phase, world.image("podinfo-primary").as_str()),
        (Phase::Promoting, "podinfo:6.9.3")
    );
}

#[test]
fn a_promotion_that_cannot_be_written_is_tried_again_next_tick() {
    let mut world = released(&json!({"analysis": {"stepWeight": 100}}));
    events(&mut world, 2);
    let forbidden = || ApiError { reason: ApiReason::Other, message: "forbidden".to_owned() };
    world.script.write = Box::new(move |tick, _| (tick == 2).then(forbidden));
    let words = "W updating deployment podinfo-primary.test template spec failed: forbidden";
    assert_eq!(events(&mut world, 1).last().unwrap(), words);
    assert_eq!(world.canary.status.phase, Phase::Progressing);
    events(&mut world, 1);
    assert_eq!(world.canary.status.phase, Phase::Promoting);
}

#[test]
fn alerts_reach_those_who_want_their_severity_and_nobody_by_default() {
    let severities = [Severity::Info, Severity::Warn, Severity::Error];
    let reached = |filter: &str| {
        let listed =
            json!([{"name": "on-call", "severity": filter, "providerRef": {"name": "slack", "namespace": "ops"}}]);
        let canary: Canary = serde_json::from_value(json!({"spec": {"analysis": {"alerts": listed}}})).unwrap();
        severities.map(|severity| {
            let alert = Alert { severity, message: String::new(), fields: Vec::new() };
            receivers(&canary, &alert) == Receivers::Providers(vec![("ops", "slack")])
        })
    };
    for (filter, wanted) in
        [("info", [true; 3]), ("warn", [false, true, true]), ("error", [false, false, true]), ("", [false; 3])]
    {
        assert_eq!(reached(filter), wanted, "severity {filter:?}");
    }
    let alert = Alert { severity: Severity::Info, message: String::new(), fields: Vec::new() };
    assert_eq!(receivers(&Canary::default(), &alert), Receivers::Global);
}

/// Section 6.1 of the reference.
#[test]
fn alert_fields_describe_the_policy() {
    use coalmine::canary::alerts::metadata;
    for (analysis, routing) in [
        (json!({"stepWeight": 10, "maxWeight": 50}), "Weight step: 10 max: 50"),
        (json!({"stepWeights": [1, 2, 10, 80]}), "Weight steps: 1,2,10,80 max: 80"),
        (json!({"iterations": 3}), "Blue/Green"),
        (json!({"iterations": 3, "match": [{"headers": {"a": {"exact": "b"}}}]}), "A/B Testing"),
    ] {
        let mut world = World::new(&json!({"progressDeadlineSeconds": 60, "analysis": analysis}));
        world.settings.cluster_name = "lab".to_owned();
        let fields = metadata(&world.canary, &world.settings);
        let wanted = [
            ("Cluster", "lab"),
            ("Target", "Deployment/podinfo.test"),
            ("Failed checks threshold", "5"),
            ("Progress deadline", "60s"),
            ("Traffic routing", routing),
        ];
        assert_eq!(fields, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
