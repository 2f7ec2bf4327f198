//! The controller on the real embedded API server, tick by tick: fake metrics, fake readiness, a paused clock.
//!
//! Control loop at 10 s, so with T = 15 s ticks fall on 10, 25, 40, …; a release at 30 s makes 40 s the tick k0.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is the test's failure, also in helpers")]

mod lab;

use lab::{Lab, Row, canary, row};
use serde_json::json;

const PROVIDERS: &str = "N all the metrics providers are available!";
const COPYING: &str = "N Copying podinfo.test template spec to podinfo-primary.test";

/// Brings a lab to the moment before k0: initialised, and with a new revision applied.
async fn released(canary: serde_json::Value) -> Lab {
    let lab = Lab::start(canary).await;
    lab.until(35).await;
    lab.rows();
    lab.release("6.9.3").await;
    lab
}

/// Waits for each tick from k0 on and compares what it left with the table.
async fn plays(lab: &Lab, table: &[Row]) {
    for (number, expected) in table.iter().enumerate() {
        lab.until(45 + 15 * number as u64).await;
        assert_eq!(&lab.row().await, expected, "k{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn initialisation_takes_one_tick_after_the_primary_is_ready() {
    let lab = Lab::start(canary(15)).await;
    lab.until(5).await;
    assert_eq!(lab.row().await, row(&[], "Initializing", 0, 0, 0), "the informer writes the first status at once");
    lab.until(15).await;
    let waiting = "W podinfo-primary.test not ready: waiting for rollout to finish: observed deployment generation less than \
                   desired generation";
    assert_eq!(lab.row().await, row(&[PROVIDERS, waiting], "Initializing", 0, 0, 0));
    lab.until(30).await;
    assert_eq!(lab.row().await, row(&[PROVIDERS, "N Initialization done! podinfo.test"], "Initialized", 0, 0, 0));
    assert_eq!(lab.get("apps/v1", "Deployment", "podinfo").await["spec"]["replicas"], 0);
    let primary = lab.get("apps/v1", "Deployment", "podinfo-primary").await;
    assert_eq!(primary["metadata"]["ownerReferences"][0]["kind"], "Canary");
    assert_eq!(lab.get("v1", "Service", "podinfo").await["spec"]["selector"], json!({"app": "podinfo-primary"}));
}

#[tokio::test(start_paused = true)]
async fn a_healthy_release_is_promoted_as_in_table_9_3() {
    let lab = released(canary(15)).await;
    let advance = |weight: i64| {
        row(&[&format!("N Advance podinfo.test canary weight {weight}")], "Progressing", weight, weight, 0)
    };
    let start = [
        "N Starting canary analysis for podinfo.test",
        "N Pre-rollout check acceptance-test passed",
        "N Advance podinfo.test canary weight 10",
    ];
    let done = "N Promotion completed! Scaling down podinfo.test";
    plays(
        &lab,
        &[
            row(&["N New revision detected! Scaling up podinfo.test"], "Progressing", 0, 0, 0),
            row(&start, "Progressing", 10, 10, 0),
            advance(20),
            advance(30),
            advance(40),
            advance(50),
            row(&[COPYING], "Promoting", 50, 50, 0),
            row(&["N Routing all traffic to primary"], "Finalising", 0, 0, 0),
            row(&[done], "Succeeded", 0, 0, 0),
            row(&[], "Succeeded", 0, 0, 0),
        ],
    )
    .await;
    let primary = lab.get("apps/v1", "Deployment", "podinfo-primary").await;
    assert_eq!(lab::image(&primary), "ghcr.io/stefanprodan/podinfo:6.9.3");
    assert_eq!(lab.get("apps/v1", "Deployment", "podinfo").await["spec"]["replicas"], 0);
    let status = &lab.canary().await["status"];
    assert_eq!(status["lastPromotedSpec"], status["lastAppliedSpec"]);
    assert_eq!(status["conditions"][0]["status"], "True");
    let queries = lab.world.asked("prometheus").iter().filter(|it| it.contains("nginx_ingress")).count();
    assert_eq!(queries, 5, "one check in each of five evaluations, k2 to k6");
    let metrics = lab.handle.metrics();
    for line in [
        "flagger_info{mesh_provider=\"nginx\",version=\"1.44.0\"} 1\n",
        "flagger_canary_total{namespace=\"test\"} 1\n",
        "flagger_canary_weight{namespace=\"test\",workload=\"podinfo-primary\"} 100\n",
        "flagger_canary_metric_analysis{metric=\"request-success-rate\",name=\"podinfo\",namespace=\"test\"} 99.9\n",
        "flagger_canary_duration_seconds_count{name=\"podinfo\",namespace=\"test\"} 6\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let promoted = metrics.lines().find(|it| it.starts_with("flagger_canary_successes_total")).unwrap();
    assert!(promoted.contains("deployment_strategy=\"canary\"") && promoted.ends_with(" 1"), "{promoted}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_canary_is_rolled_back_as_in_table_9_4_a() {
    let lab = released(canary(15)).await;
    lab.world.success_rate(Some(71.428_571));
    let start = [
        "N Starting canary analysis for podinfo.test",
        "N Pre-rollout check acceptance-test passed",
        "N Advance podinfo.test canary weight 10",
    ];
    let halt =
        |failed| row(&["W Halt podinfo.test advancement success rate 71.43% < 99%"], "Progressing", 10, 10, failed);
    let rolled_back =
        ["W Rolling back podinfo.test failed checks threshold reached 5", "W Canary failed! Scaling down podinfo.test"];
    plays(
        &lab,
        &[
            row(&["N New revision detected! Scaling up podinfo.test"], "Progressing", 0, 0, 0),
            row(&start, "Progressing", 10, 10, 0),
            halt(1),
            halt(2),
            halt(3),
            halt(4),
            halt(5),
            row(&rolled_back, "Failed", 0, 0, 0),
        ],
    )
    .await;
    let status = lab.canary().await["status"].clone();
    assert_eq!(status["conditions"][0]["status"], "False");
    lab.until(45 + 15 * 8).await;
    assert_eq!(lab.row().await, row(&[], "Failed", 0, 0, 0));
    assert_ne!(
        lab.canary().await["status"]["lastTransitionTime"],
        status["lastTransitionTime"],
        "Failed keeps writing"
    );
    assert_eq!(
        lab::image(&lab.get("apps/v1", "Deployment", "podinfo-primary").await),
        "ghcr.io/stefanprodan/podinfo:6.9.2"
    );
    assert!(lab.handle.metrics().contains("flagger_canary_status{name=\"podinfo\",namespace=\"test\"} 2\n"));
}

#[tokio::test(start_paused = true)]
async fn no_traffic_is_a_failed_check_with_its_own_words() {
    let lab = released(canary(15)).await;
    lab.world.success_rate(None);
    lab.until(45 + 30).await;
    let halt = "W Halt advancement no values found for nginx metric request-success-rate probably podinfo.test is not \
                receiving traffic: running query failed: no values found";
    let events = lab.rows();
    assert_eq!(events.last().map(String::as_str), Some(halt));
    assert_eq!(lab.canary().await["status"]["failedChecks"], 1);
}

#[tokio::test(start_paused = true)]
async fn blue_green_switches_all_traffic_after_its_iterations() {
    let mut blue_green = canary(15);
    let analysis = blue_green["spec"]["analysis"].as_object_mut().unwrap();
    analysis.retain(|key, _| !["maxWeight", "stepWeight"].contains(&key.as_str()));
    analysis.insert("iterations".to_owned(), json!(3));
    let lab = released(blue_green).await;
    let iteration = |number: i64| format!("N Advance podinfo.test canary iteration {number}/3");
    let start = ["N Starting canary analysis for podinfo.test", "N Pre-rollout check acceptance-test passed"];
    plays(
        &lab,
        &[
            row(&["N New revision detected! Scaling up podinfo.test"], "Progressing", 0, 0, 0),
            row(&[start[0], start[1], &iteration(1)], "Progressing", 0, 0, 0),
            row(&[&iteration(2)], "Progressing", 0, 0, 0),
            row(&[&iteration(3)], "Progressing", 0, 0, 0),
            row(&["N Routing all traffic to canary"], "Progressing", 100, 0, 0),
            row(&[COPYING], "Promoting", 100, 0, 0),
            row(&["N Routing all traffic to primary"], "Finalising", 0, 0, 0),
            row(&["N Promotion completed! Scaling down podinfo.test"], "Succeeded", 0, 0, 0),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_promotion_gate_holds_the_release_at_its_weight() {
    let mut gated = canary(15);
    gated["spec"]["analysis"]["maxWeight"] = json!(10);
    let gate = json!({"name": "gate", "type": "confirm-promotion", "url": "http://flagger-loadtester.test/gate/check"});
    gated["spec"]["analysis"]["webhooks"].as_array_mut().unwrap().push(gate);
    let lab = released(gated).await;
    lab.world.hook("/gate/check", Some(403));
    lab.until(45 + 15).await;
    lab.rows();
    let waiting = "W Halt podinfo.test advancement waiting for promotion approval gate";
    for (number, expected) in [
        (2, row(&[waiting], "WaitingPromotion", 10, 0, 0)),
        (3, row(&[], "WaitingPromotion", 10, 0, 0)),
        (4, row(&["N Confirm-promotion check gate passed", COPYING], "Promoting", 10, 0, 0)),
        (5, row(&["N Routing all traffic to primary"], "Finalising", 0, 0, 0)),
    ] {
        if number == 4 {
            lab.world.hook("/gate/check", Some(200));
        }
        lab.until(45 + 15 * number).await;
        assert_eq!(lab.row().await, expected, "k{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_opened_rollback_switch_rolls_back_at_the_next_tick() {
    let mut switched = canary(15);
    let switch = json!({"name": "switch", "type": "rollback", "url": "http://flagger-loadtester.test/rollback/check"});
    switched["spec"]["analysis"]["webhooks"].as_array_mut().unwrap().push(switch);
    let lab = Lab::start(switched).await;
    lab.world.hook("/rollback/check", Some(403));
    lab.until(35).await;
    lab.release("6.9.3").await;
    lab.until(45 + 30).await;
    lab.rows();
    lab.until(45 + 45).await;
    let closed = "N Rollback hook switch not signaling a rollback";
    assert_eq!(lab.row().await, row(&[closed, "N Advance podinfo.test canary weight 30"], "Progressing", 30, 30, 0));
    lab.world.hook("/rollback/check", Some(200));
    lab.until(45 + 60).await;
    let events = [
        "W Rollback check switch passed",
        "W Rolling back podinfo.test manual webhook invoked",
        "W Canary failed! Scaling down podinfo.test",
    ];
    assert_eq!(lab.row().await, row(&events, "Failed", 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn every_event_goes_to_the_event_webhook() {
    let event_webhook = "http://flagger-loadtester.test/events".to_owned();
    let settings = coalmine::controller::Settings { event_webhook, ..Default::default() };
    let lab = Lab::start_with(canary(15), settings).await;
    lab.until(12).await;
    let sent: Vec<serde_json::Value> =
        lab.world.asked("flagger-loadtester.test").iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!((&sent[0]["name"], &sent[0]["namespace"]), (&json!("podinfo"), &json!("test")));
    assert_eq!(
        sent[0]["metadata"],
        json!({
            "eventMessage": "all the metrics providers are available!",
            "eventType": "Normal",
            "timestamp": "1767225610000",
        })
    );
    lab.world.hook("/events", Some(403));
    lab.until(30).await;
    let failed = "error sending event to webhook: Forbidden";
    let lines = lab.handle.log().since(0);
    assert_eq!(lines.iter().filter(|it| it.message == failed && it.canary == "podinfo.test").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_definitions_refuse_what_flaggers_refuse() {
    let lab = Lab::start(canary(15)).await;
    let change = |pointer: &str, value: serde_json::Value| {
        let mut it = canary(15);
        it["metadata"]["name"] = json!("other");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        it.pointer_mut(parent).unwrap()[key] = value;
        it
    };
    for (what, broken, said) in [
        ("an unknown provider", change("/spec/provider", json!("gatewayapi")), "spec.provider: Unsupported value"),
        ("no target", change("/spec/targetRef", json!(null)), "spec.targetRef: Required value"),
        ("two strategies", change("/spec/analysis/iterations", json!(3)), "spec.analysis"),
        ("an interval in hours", change("/spec/analysis/interval", json!("1h")), "spec.analysis.interval"),
        ("a text for a number", change("/spec/analysis/threshold", json!("5")), "spec.analysis.threshold"),
        ("a service without port", change("/spec/service", json!({})), "spec.service.port: Required value"),
        (
            "an unknown hook type",
            change("/spec/analysis/webhooks/0/type", json!("skip")),
            "spec.analysis.webhooks[0].type: Unsupported value",
        ),
    ] {
        let refused = lab.refusal(broken).await;
        assert!(refused.contains("\"other\" is invalid") && refused.contains(said), "{what}: {refused}");
    }
    lab.create(change("/spec/canaryAnalysis", json!({"interval": "1m"}))).await;
    let pruned = lab.get("flagger.app/v1beta1", "Canary", "other").await;
    assert_eq!(pruned["spec"].get("canaryAnalysis"), None, "what the definition does not know is dropped");
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": [{"name": "podinfo-primary", "port": 80}]}]},
    });
    lab.create(route).await;
    let route = lab.get("gateway.networking.k8s.io/v1", "HTTPRoute", "podinfo").await;
    assert_eq!(route["spec"]["parentRefs"][0]["kind"], "Gateway");
    let rule = &route["spec"]["rules"][0];
    assert_eq!((&rule["backendRefs"][0]["weight"], &rule["matches"][0]["path"]["value"]), (&json!(1), &json!("/")));
}

#[tokio::test(start_paused = true)]
async fn a_slow_hook_stretches_its_tick_and_keeps_the_grid() {
    let mut slow = canary(15);
    slow["spec"]["analysis"]["webhooks"][0]["timeout"] = json!("20s");
    let lab = released(slow).await;
    lab.world.hook("/", None);
    // k1 begins at 55 s and waits 20 s for its hook, so the beat of 70 s comes at 75 s; that tick waits as long, and the beat
    // of 85 s comes at 95 s. Then the grid is reached again.
    lab.until(56).await;
    lab.rows();
    lab.until(76).await;
    let url = "http://flagger-loadtester.test/";
    let gave_up = format!(
        "W Halt podinfo.test advancement pre-rollout check acceptance-test failed POST {url} giving up after 1 attempt(s): \
         Post \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    );
    let starting = "N Starting canary analysis for podinfo.test";
    assert_eq!(lab.rows(), [gave_up.as_str(), starting]);
    lab.world.hook("/", Some(200));
    lab.until(96).await;
    let passed = "N Pre-rollout check acceptance-test passed";
    assert_eq!(lab.rows(), [gave_up.as_str(), starting, passed, "N Advance podinfo.test canary weight 10"]);
    lab.until(101).await;
    assert_eq!(lab.rows(), ["N Advance podinfo.test canary weight 20"]);
    assert_eq!(lab.canary().await["status"]["failedChecks"], 2);
}

#[tokio::test(start_paused = true)]
async fn kubernetes_events_are_correlated_and_the_log_is_complete() {
    let lab = released(canary(15)).await;
    lab.until(45 + 15 * 8).await;
    let events = lab.events().await;
    let find =
        |message: &str| events.iter().find(|it| it["message"] == message).unwrap_or_else(|| panic!("no {message}"));
    let providers = find("all the metrics providers are available!");
    assert_eq!((&providers["count"], &providers["type"]), (&json!(2), &json!("Normal")));
    assert_eq!((&providers["reason"], &providers["source"]["component"]), (&json!("Synced"), &json!("flagger")));
    assert_eq!(providers["involvedObject"]["uid"], lab.canary().await["metadata"]["uid"]);
    // Nine messages have events of their own; the tenth, and all after it, share one.
    let combined = find("(combined from similar events): Promotion completed! Scaling down podinfo.test");
    assert_eq!(combined["count"], 4, "Advance 50, Copying, Routing, Promotion completed");
    assert_eq!(events.iter().filter(|it| it["type"] == "Normal").count(), 10);
    let logged = lab.handle.log().since(0);
    assert_eq!(logged.iter().filter(|it| it.event == Some(false)).count(), 14);
    assert!(logged.iter().any(|it| it.message == "Synced test/podinfo" && it.event.is_none()));
}

#[tokio::test(start_paused = true)]
async fn alerts_are_posted_to_the_provider_of_the_canary() {
    let mut alerting = canary(15);
    alerting["spec"]["analysis"]["alerts"] = json!([
        {"name": "all", "severity": "info", "providerRef": {"name": "chat"}},
        {"name": "bad", "severity": "error", "providerRef": {"name": "chat"}},
        {"name": "unset", "providerRef": {"name": "chat"}},
        {"name": "lost", "severity": "error", "providerRef": {"name": "missing"}},
    ]);
    let lab = released(alerting).await;
    lab.world.success_rate(Some(0.0));
    lab.until(45 + 15 * 7).await;
    let sent: Vec<_> = lab.world.asked("hooks.slack.test").iter().map(|it| lab::attachment(it)).collect();
    assert_eq!(
        sent,
        [
            "good New Deployment detected, initialization completed.",
            "good New revision detected, progressing canary analysis.",
            "danger Failed checks threshold reached 5",
            "danger Failed checks threshold reached 5",
        ]
    );
    let missing = "alert provider missing.test error: alertprovider.flagger.app \"missing\" not found";
    assert!(lab.handle.log().since(0).iter().any(|it| it.message == missing));
}

#[tokio::test(start_paused = true)]
async fn an_edited_interval_gets_a_new_job_and_suspension_is_said_on_every_tick() {
    let lab = Lab::start(canary(15)).await;
    lab.until(42).await;
    lab.rows();
    lab.patch_canary(json!({"spec": {"suspend": true, "analysis": {"interval": "20s"}}})).await;
    let suspended = "N skipping canary run as object is suspended";
    // The control loop of 50 s replaces the old job, whose beat of 55 s is not heard any more, by one that ticks at once and
    // then every 20 s.
    for (at, expected) in [(49, &[][..]), (51, &[suspended]), (69, &[]), (71, &[suspended]), (91, &[suspended])] {
        lab.until(at).await;
        assert_eq!(lab.rows(), expected, "{at} s");
    }
}

#[tokio::test(start_paused = true)]
async fn two_canaries_of_one_target_are_told_apart_and_complained_about() {
    let lab = Lab::start(canary(15)).await;
    let mut twin = canary(15);
    twin["metadata"]["name"] = json!("twin");
    lab.create(twin).await;
    lab.until(12).await;
    let complaint = "Bad things will happen! Found more than one canary with the same target podinfo.test";
    let lines = lab.handle.log().since(0);
    let about: Vec<_> = lines.iter().filter(|it| it.message == complaint).map(|it| it.canary.as_str()).collect();
    assert_eq!(about, ["podinfo.test", "twin.test"]);
    assert!(lab.handle.metrics().contains("flagger_canary_total{namespace=\"test\"} 2\n"));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_canary_with_revert_on_deletion_puts_its_target_back() {
    let mut reverting = canary(15);
    reverting["spec"]["revertOnDeletion"] = json!(true);
    let lab = Lab::start(reverting).await;
    lab.until(30).await;
    let log: Vec<_> = lab.handle.log().since(0).into_iter().map(|it| it.message).collect();
    assert_eq!(lab.canary().await["metadata"]["finalizers"], json!(["finalizer.flagger.app"]), "{log:#?}");
    assert_eq!(lab.get("apps/v1", "Deployment", "podinfo").await["spec"]["replicas"], 0);
    lab.rows();
    lab.delete_canary().await;
    lab.until(60).await;
    let events = lab.rows();
    assert_eq!(events.first().map(String::as_str), Some("N Terminating canary podinfo.test"));
    assert_eq!(events.last().map(String::as_str), Some("N Terminated canary podinfo.test"));
    assert_eq!(lab.find("flagger.app/v1beta1", "Canary", "podinfo").await, None);
    assert_eq!(lab.find("apps/v1", "Deployment", "podinfo-primary").await, None, "owned objects go with it");
    assert_eq!(lab.get("apps/v1", "Deployment", "podinfo").await["spec"]["replicas"], 2);
    lab.until(120).await;
    assert!(lab.rows().is_empty(), "its job has ended");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_canary_is_not_scheduled_until_it_is_repaired() {
    let mut invalid = canary(15);
    invalid["spec"]["analysis"]["sessionAffinity"] = json!({"cookieName": "c", "primaryCookieName": "c"});
    let lab = Lab::start(invalid).await;
    lab.until(30).await;
    assert_eq!(lab.canary().await.get("status"), None);
    let why = "error syncing 'test/podinfo': invalid canary spec: can't use the same cookie name for both primary and cookie \
               name; please update them to be different";
    assert_eq!(lab.handle.log().since(0).iter().filter(|it| it.message == why).count(), 1);
    lab.patch_canary(json!({"spec": {"analysis": {"sessionAffinity": null}}})).await;
    lab.until(45).await;
    assert!(lab.rows().contains(&PROVIDERS.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn shutting_down_stops_everything() {
    let lab = Lab::start(canary(15)).await;
    lab.until(12).await;
    let log = lab.handle.log().clone();
    let before = log.since(0).len();
    lab.handle.shutdown().await;
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    assert_eq!(log.since(0).len(), before);
}

#[test]
fn one_seed_gives_one_record() {
    let record = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let lab = released(canary(15)).await;
            lab.until(200).await;
            let log: Vec<_> = lab.handle.log().since(0).iter().map(coalmine::controller::log::Line::to_json).collect();
            let primary = lab.get("apps/v1", "Deployment", "podinfo-primary").await;
            (log, lab.events().await, primary.to_string(), lab.handle.metrics())
        })
    };
    assert_eq!(record(), record());
}
