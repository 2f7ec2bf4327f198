//! What else a run does: names, copies, autoscalers, configs, and the corners that surprise people.

use crate::canary::world::{World, merge};
use coalmine::canary::{Meter, Outcome, Step, Tell, policy};
use coalmine::model::canary::Phase;
use serde_json::{Value, json};

fn weighted(more: &Value) -> Value {
    let mut spec = json!({"analysis": {"stepWeight": 50, "maxWeight": 50}});
    merge(&mut spec, more);
    spec
}

/// Ticks until the phase is reached; fails if that takes longer than any run here.
fn until(world: &mut World, phase: Phase) -> usize {
    for ticks in 0..30 {
        if world.canary.status.phase == phase {
            return ticks;
        }
        world.tick();
    }
    panic!("{phase} is never reached; it is {}", world.canary.status.phase);
}

/// A world whose target has this pod spec merged in, before the Canary sees it.
fn with_pod(spec: &Value, pod: &Value, objects: &[Value]) -> World {
    let mut world = World::new(&weighted(spec));
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap();
        world.edit(object["kind"].as_str().unwrap(), name, object);
    }
    world.edit("Deployment", "podinfo", &json!({"spec": {"template": {"spec": pod}}}));
    for _ in 0..3 {
        world.tick();
    }
    world.tick = 0;
    world
}

/// Canary, target and Service have three names; each text uses the right one.
#[test]
fn messages_name_the_canary_or_the_target_as_flagger_does() {
    let hook = json!({"name": "gate", "type": "rollout", "url": "http://h/"});
    let mut world =
        World::new(&weighted(&json!({"service": {"name": "web"}, "analysis": {"threshold": 2, "webhooks": [hook],
        "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}}]}})));
    world.edit("Canary", "podinfo", &json!({"metadata": {"name": "release"}}));
    world.tick();
    assert_eq!(world.tick().events.last().unwrap(), "N Initialization done! release.test");
    world.release("podinfo:6.9.3");
    world.script.metric = Box::new(|_, _| Ok(50.0));
    let mut events = Vec::new();
    for _ in 0..5 {
        events.extend(world.tick().events);
    }
    let wanted = [
        "N New revision detected! Scaling up podinfo.test",
        "N Starting canary analysis for podinfo.test",
        "N Advance release.test canary weight 50",
        "W Halt release.test advancement success rate 50.00% < 99%",
        "W Halt release.test advancement success rate 50.00% < 99%",
        "W Rolling back release.test failed checks threshold reached 2",
        "W Canary failed! Scaling down release.test",
    ];
    assert_eq!(events, wanted);
    for service in ["web", "web-primary", "web-canary"] {
        let labels = &world.object("Service", service).unwrap()["metadata"]["labels"];
        assert_eq!(labels["app"], service, "a Service is labelled with its own name");
    }
}

#[test]
fn the_primary_is_a_copy_under_its_own_label() {
    let pod = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["podinfo", "other"]}]}}]}},
        "topologySpreadConstraints": [{"labelSelector": {"matchLabels": {"app": "podinfo", "tier": "podinfo"}}}]});
    let toolkit = json!({"kind": "Deployment", "metadata": {"name": "podinfo",
        "annotations": {"kept": "1", "kustomize.toolkit.fluxcd.io/name": "x"}, "labels": {"team": "a"}}});
    let world = with_pod(&json!({}), &pod, &[toolkit]);
    let primary = world.object("Deployment", "podinfo-primary").unwrap();
    assert_eq!(primary["metadata"]["labels"], json!({"app": "podinfo-primary"}), "deployment labels need a prefix");
    assert_eq!(primary["metadata"]["annotations"], json!({"kept": "1"}));
    assert_eq!(primary["spec"]["selector"], json!({"matchLabels": {"app": "podinfo-primary"}}));
    let template = &primary["spec"]["template"];
    assert_eq!(template["metadata"]["labels"], json!({"app": "podinfo-primary"}));
    assert_eq!(template["metadata"]["annotations"]["prometheus.io/scrape"], "true");
    assert!(template["metadata"]["annotations"]["flagger-id"].is_string());
    let anti = &template["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(anti["labelSelector"]["matchExpressions"][0]["values"], json!(["podinfo-primary", "other"]));
    let spread = &template["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"];
    assert_eq!(spread, &json!({"app": "podinfo-primary", "tier": "podinfo"}));
    assert_eq!((world.replicas("podinfo"), world.replicas("podinfo-primary")), (0, 1));
}

#[test]
fn a_promotion_copies_template_strategy_and_replicas_with_a_new_id() {
    let mut world = World::initialised(&weighted(&json!({})));
    let id = |world: &World| {
        world.object("Deployment", "podinfo-primary").unwrap()["spec"]["template"]["metadata"]["annotations"]["flagger-id"].clone()
    };
    let first = id(&world);
    world.edit(
        "Deployment",
        "podinfo",
        &json!({"spec": {"replicas": 3, "minReadySeconds": 5, "strategy": {"type": "Recreate"}}}),
    );
    world.release("podinfo:6.9.3");
    assert_eq!(until(&mut world, Phase::Succeeded), 5);
    let primary = &world.object("Deployment", "podinfo-primary").unwrap()["spec"];
    assert_eq!((&primary["replicas"], &primary["minReadySeconds"]), (&json!(3), &json!(5)));
    assert_eq!(primary["strategy"]["type"], "Recreate");
    assert_eq!(world.image("podinfo-primary"), "podinfo:6.9.3");
    assert_ne!(id(&world), first);
    assert_eq!(world.replicas("podinfo"), 0);
}

fn hpa() -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "podinfo", "namespace": "test", "labels": {"team": "a"}},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}, "minReplicas": 2,
            "maxReplicas": 4, "metrics": [{"type": "Resource"}]}})
}

#[test]
fn an_autoscaler_is_copied_at_first_and_refreshed_while_promoting() {
    let reference = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo",
        "primaryScalerReplicas": {"minReplicas": 3}});
    let mut world = with_pod(&json!({"autoscalerRef": reference}), &json!({}), &[hpa()]);
    let copy = world.object("HorizontalPodAutoscaler", "podinfo-primary").unwrap();
    assert_eq!(copy["spec"]["scaleTargetRef"]["name"], "podinfo-primary");
    assert_eq!((&copy["spec"]["minReplicas"], &copy["spec"]["maxReplicas"]), (&json!(3), &json!(4)));
    world.edit("HorizontalPodAutoscaler", "podinfo", &json!({"spec": {"maxReplicas": 9}}));
    let max = |world: &World| {
        world.object("HorizontalPodAutoscaler", "podinfo-primary").unwrap()["spec"]["maxReplicas"].clone()
    };
    world.tick();
    assert_eq!((max(&world), world.canary.status.phase), (json!(4), Phase::Initialized), "an edit of it starts no run");
    world.release("podinfo:6.9.3");
    world.tick();
    assert_eq!(world.replicas("podinfo"), 2, "scaled up to the least that the autoscaler allows");
    until(&mut world, Phase::Promoting);
    assert_eq!(max(&world), json!(4));
    until(&mut world, Phase::Finalising);
    assert_eq!(max(&world), json!(9));
    assert_eq!(world.replicas("podinfo-primary"), 1, "an autoscaled primary keeps its replicas");
}

fn config(data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "test"}, "data": {"color": data}})
}

#[test]
fn tracked_configs_are_copied_and_a_change_of_one_is_a_new_revision() {
    let pod = json!({"containers": [{"name": "podinfo", "image": "podinfo:6.9.2", "envFrom": [{"configMapRef": {"name": "settings"}}]}]});
    let mut world = with_pod(&json!({}), &pod, &[config("blue")]);
    assert_eq!(
        world.canary.status.tracked_configs.as_ref().unwrap().keys().collect::<Vec<_>>(),
        ["configmap/settings"]
    );
    let primary = world.object("Deployment", "podinfo-primary").unwrap();
    let reference = &primary["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"];
    assert_eq!(reference, "settings-primary");
    world.edit("ConfigMap", "settings", &config("green"));
    let started = world.tick();
    assert_eq!(started.events, ["N New revision detected! Scaling up podinfo.test"]);
    assert!(
        started
            .told
            .iter()
            .any(|it| matches!(it, Tell::Log { message, .. } if message == "configmap settings has changed"))
    );
    assert_eq!(world.object("ConfigMap", "settings-primary").unwrap()["data"]["color"], "blue");
    until(&mut world, Phase::Promoting);
    assert_eq!(world.object("ConfigMap", "settings-primary").unwrap()["data"]["color"], "green");
    world.delete("ConfigMap", "settings");
    until(&mut world, Phase::Succeeded);
    let missing = "W configmap settings.test get query error: configmaps \"settings\" not found";
    assert_eq!(world.tick().events, [missing]);
}

/// The consequences that section 3.3 of the reference draws.
#[test]
fn after_a_failure_going_back_is_silent_and_the_same_again_is_not() {
    let mut world = World::initialised(&weighted(&json!({"analysis": {"threshold": 1,
        "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}}]}})));
    world.script.metric = Box::new(|_, _| Ok(0.0));
    world.release("podinfo:bad");
    until(&mut world, Phase::Failed);
    let time = world.canary.status.last_transition_time.clone();
    assert_eq!(world.tick().events, Vec::<String>::new(), "the same bad revision does not start again");
    assert_ne!(world.canary.status.last_transition_time, time, "every tick rewrites the status");
    world.release("podinfo:6.9.2");
    assert_eq!(world.tick().events, Vec::<String>::new(), "what the primary runs is not new");
    assert_eq!(world.canary.status.phase, Phase::Failed);
    world.release("podinfo:bad");
    assert_eq!(world.tick().events, ["N New revision detected! Scaling up podinfo.test"]);
}

#[test]
fn going_back_in_mid_run_is_not_seen_and_succeeds_with_the_old_code() {
    let mut world = World::initialised(&weighted(&json!({})));
    world.release("podinfo:6.9.3");
    world.tick();
    world.release("podinfo:6.9.2");
    assert_eq!(until(&mut world, Phase::Succeeded), 4);
    assert_eq!(world.image("podinfo-primary"), "podinfo:6.9.2");
    assert_eq!(
        world.tick().events,
        ["N New revision detected! Scaling up podinfo.test"],
        "its own promoted code looks new"
    );
}

#[test]
fn an_edit_before_initialisation_ends_counts_as_promoted_and_is_not() {
    let mut world = World::new(&weighted(&json!({})));
    world.tick();
    world.release("podinfo:6.9.3");
    until(&mut world, Phase::Initialized);
    assert_eq!(world.tick().events, Vec::<String>::new());
    assert_eq!(world.image("podinfo-primary"), "podinfo:6.9.2");
}

#[test]
fn an_edit_while_promoting_waits_for_the_end() {
    let mut world = World::initialised(&weighted(&json!({})));
    world.release("podinfo:6.9.3");
    until(&mut world, Phase::Promoting);
    world.release("podinfo:6.9.4");
    until(&mut world, Phase::Succeeded);
    assert_eq!(world.image("podinfo-primary"), "podinfo:6.9.3");
    assert_eq!(world.tick().events, ["N New revision detected! Scaling up podinfo.test"]);
}

#[test]
fn a_primary_that_cannot_roll_leaves_the_traffic_with_the_canary() {
    let mut world = World::initialised(&weighted(&json!({})));
    world.release("podinfo:6.9.3");
    until(&mut world, Phase::Promoting);
    world.stuck_from.insert("podinfo-primary".to_owned(), 0);
    world.edit("Deployment", "podinfo", &json!({}));
    let ticked = world.tick();
    let reason = "podinfo-primary.test not ready: deployment \"podinfo-primary\" exceeded its progress deadline";
    let wanted = [format!("W {reason}"), format!("W Promotion of podinfo.test failed, primary not ready: {reason}")];
    assert_eq!(ticked.events, wanted);
    assert_eq!(ticked.alerts, [format!("error promotion failed, primary not ready: {reason}")]);
    assert_eq!((world.live_weight(), world.canary.status.canary_weight), (100, 100));
    assert_eq!(world.canary.status.phase, Phase::Failed);
    assert_eq!(world.replicas("podinfo"), 1, "the canary goes on serving");
    // A later revision takes the ordinary way and sends everything to the broken primary.
    world.release("podinfo:6.9.5");
    let wanted = [format!("W {reason}"), "W Canary failed! Scaling down podinfo.test".to_owned()];
    assert_eq!(world.tick().events, wanted);
    assert_eq!(world.live_weight(), 0);
}

#[test]
fn a_primary_past_its_deadline_in_mid_run_rolls_back() {
    let mut world = World::initialised(&weighted(&json!({})));
    world.release("podinfo:6.9.3");
    world.tick();
    world.stuck_from.insert("podinfo-primary".to_owned(), 0);
    world.edit("Deployment", "podinfo", &json!({}));
    let wanted = [
        "W podinfo-primary.test not ready: deployment \"podinfo-primary\" exceeded its progress deadline",
        "W Canary failed! Scaling down podinfo.test",
    ];
    let ticked = world.tick();
    assert_eq!(ticked.events, wanted);
    assert!(ticked.alerts.is_empty());
}

#[test]
fn a_primary_that_never_starts_cannot_even_be_rolled_back() {
    let mut world = World::new(&weighted(&json!({})));
    world.stuck_from.insert("podinfo-primary".to_owned(), 0);
    world.tick();
    let events = world.tick().events;
    let missing =
        "W ingress podinfo-canary.test get query error: ingresses.networking.k8s.io \"podinfo-canary\" not found";
    assert_eq!(events.last().unwrap(), missing);
    assert_eq!(world.canary.status.phase, Phase::None);
    assert_eq!(world.replicas("podinfo"), 1, "the target goes on serving");
}

#[test]
fn a_suspended_canary_does_nothing_and_says_so() {
    let mut world = World::initialised(&weighted(&json!({})));
    world.edit("Canary", "podinfo", &json!({"spec": {"suspend": true}}));
    world.release("podinfo:6.9.3");
    for _ in 0..2 {
        let ticked = world.tick();
        assert_eq!(ticked.events, ["N skipping canary run as object is suspended"]);
        assert_eq!(ticked.outcome, Outcome::Ended(Step::Suspended));
    }
}

#[test]
fn a_run_counts_once_and_measures_what_it_saw() {
    let spec = json!({"analysis": {"metrics": [{"name": "request-duration", "thresholdRange": {"max": 500}}]}});
    let mut world = World::initialised(&weighted(&spec));
    world.script.metric = Box::new(|_, _| Ok(123.9));
    world.release("podinfo:6.9.3");
    let mut meters = Vec::new();
    while world.canary.status.phase != Phase::Succeeded {
        let told = world.tick().told;
        meters.extend(told.into_iter().filter_map(|it| if let Tell::Meter(meter) = it { Some(meter) } else { None }));
    }
    let analysis: Vec<_> = meters.iter().filter(|it| matches!(it, Meter::Analysis { .. })).collect();
    assert_eq!(
        analysis,
        [&Meter::Analysis { metric: "request-duration".to_owned(), value: 0.123 }],
        "whole ms, in seconds"
    );
    let counted: Vec<_> =
        meters.iter().filter(|it| matches!(it, Meter::Succeeded { .. } | Meter::Failed { .. })).collect();
    assert_eq!(counted.len(), 1);
    assert_eq!(meters.iter().filter(|it| **it == Meter::ObserveDuration).count(), 2, "one for each judged tick");
}

#[test]
fn deletion_with_revert_puts_the_target_back() {
    let mut world = World::initialised(&weighted(&json!({"revertOnDeletion": true})));
    world.edit("Canary", "podinfo", &json!({"metadata": {"finalizers": ["other", "finalizer.flagger.app"]}}));
    world.edit("Deployment", "podinfo-primary", &json!({"spec": {"replicas": 3}}));
    world.ready_in.insert("podinfo".to_owned(), vec![0]);
    let ticked = world.finalize();
    assert_eq!(ticked.events.first().unwrap(), "N Terminating canary podinfo.test");
    assert_eq!(world.replicas("podinfo"), 3);
    assert_eq!(world.canary.status.phase, Phase::Terminating);
    // Within one call the pods of this world do not start, so it is tried again.
    assert!(matches!(ticked.outcome, Outcome::Failed(_)), "{:?}", ticked.outcome);
    assert_eq!(world.finalize().events, ["N Terminated canary podinfo.test"]);
    assert_eq!(world.canary.metadata["finalizers"], json!(["other"]));
}

#[test]
fn the_policy_in_words_has_the_weights_and_limits_in_force() {
    let spec = json!({"analysis": {"interval": "5s", "threshold": 0, "stepWeight": 20, "maxWeight": 50, "metrics": [
        {"name": "request-success-rate", "thresholdRange": {"min": 99}},
        {"name": "request-duration", "interval": "30s", "threshold": 500}]}});
    let world = World::new(&spec);
    let policy = policy(&world.canary, &world.settings);
    assert_eq!((policy.strategy.as_str(), policy.provider.as_str()), ("canary", "nginx"));
    assert_eq!((policy.interval_ms, policy.threshold, policy.max_weight), (10_000, 1, 50));
    assert_eq!(policy.weights, [20, 40, 60]);
    let checks: Vec<_> = policy.checks.iter().map(|it| (it.unit.as_str(), it.min, it.max, it.window_ms)).collect();
    let mut unrouted = world.canary.clone();
    unrouted.spec.provider = "kubernetes".to_owned();
    let unrouted = coalmine::canary::policy(&unrouted, &world.settings);
    assert_eq!((unrouted.strategy.as_str(), unrouted.iterations, unrouted.weights.len()), ("blue-green", 10, 0));
    assert_eq!(checks, [("%", Some(99.0), None, 60_000), ("ms", None, Some(500.0), 30_000)]);
}
