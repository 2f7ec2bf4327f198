//! The policies that are compared.
//!
//! Intervals are Flagger's shortest where nothing is measured, and 15 s where Prometheus is asked: three scrapes, so that
//! the first check has its values whatever place the scrapes have in the interval.

use crate::fidelity::policy::{Act, Policy, When, built_in_checks, patch_canary, slow, storm};
use serde_json::{Value, json};

const DENIED: u16 = 403;
const PASSED: u16 = 200;

pub fn all() -> Vec<Policy> {
    let mut all = strategies();
    all.extend(hooks());
    all.extend(faults());
    all.extend(changes());
    all.extend(corners());
    all
}

/// Weights 25 and 50 without any check.
fn plain() -> Value {
    json!({"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 25})
}

/// One step to 50.
fn short() -> Value {
    json!({"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 50})
}

fn iterations(count: u64) -> Value {
    json!({"interval": "10s", "threshold": 2, "iterations": count})
}

/// One step to 50, checked.
fn checked(metrics: Value) -> Value {
    json!({"interval": "15s", "threshold": 2, "maxWeight": 50, "stepWeight": 50, "metrics": metrics})
}

fn strategies() -> Vec<Policy> {
    let mut weights = plain();
    (weights["interval"], weights["metrics"]) = (json!("15s"), built_in_checks());
    let mut promoted_in_steps = short();
    promoted_in_steps["stepWeightPromotion"] = json!(30);
    let mut ab = iterations(2);
    (ab["interval"], ab["metrics"]) = (json!("15s"), built_in_checks());
    ab["match"] = json!([{"headers": {"x-canary": {"exact": "insider"}}}]);
    let mut cookie = iterations(2);
    cookie["match"] = json!([{"headers": {"cookie": {"exact": "canary"}}}]);
    let mut mirrored = iterations(2);
    mirrored["mirror"] = json!(true);
    let stepped = json!({"interval": "10s", "threshold": 2, "stepWeights": [1, 2, 10, 80]});
    let uneven = json!({"interval": "10s", "threshold": 2, "maxWeight": 50, "stepWeight": 15});
    vec![
        Policy::nginx("weights", "weights 25 and 50 through nginx, with both built-in checks", weights.clone()),
        Policy::gateway("weights-gateway", "the same through the Gateway API", weights),
        Policy::nginx("step-weights", "`stepWeights: [1, 2, 10, 80]`", stepped).without_traffic(),
        Policy::gateway("uneven-steps", "steps of 15 up to a `maxWeight` of 50, which they exceed", uneven)
            .without_traffic(),
        Policy::gateway("step-promotion", "`stepWeightPromotion: 30` from 50", promoted_in_steps).without_traffic(),
        Policy::nginx("ab-header", "A/B by a header through nginx, with both built-in checks", ab.clone())
            .with_header("x-canary", "insider"),
        Policy::gateway("ab-header-gateway", "the same through the Gateway API", ab).with_header("x-canary", "insider"),
        Policy::nginx("ab-cookie", "A/B by a cookie", cookie).without_traffic(),
        Policy::nginx("blue-green", "two iterations, then all traffic", iterations(2)).without_traffic(),
        Policy::gateway("blue-green-mirror", "two iterations with mirrored requests", mirrored).without_traffic(),
        kubernetes("blue-green-kubernetes", "two iterations without a router", iterations(2)),
    ]
}

fn hooks() -> Vec<Policy> {
    let name = "gate-promotion";
    vec![
        Policy::nginx("gate-rollout", "`confirm-rollout` denied twice, then approved", short())
            .hook("confirm-rollout", "start", &[DENIED, DENIED, PASSED])
            .without_traffic(),
        Policy::nginx("gate-traffic", "`confirm-traffic-increase` denied twice, then approved", plain())
            .hook("confirm-traffic-increase", "more", &[PASSED, DENIED, DENIED, PASSED])
            .without_traffic(),
        Policy::nginx(name, "`confirm-promotion` denied twice, then approved", short())
            .hook("confirm-promotion", "promote", &[DENIED, DENIED, PASSED])
            .hook("post-rollout", "after", &[PASSED])
            .without_traffic(),
        Policy::nginx("gate-iterations", "`confirm-promotion` of a blue/green release denied once", iterations(2))
            .hook("confirm-promotion", "promote", &[DENIED, PASSED])
            .without_traffic(),
        Policy::nginx("pre-rollout", "a `pre-rollout` hook fails; alerts of every severity", short())
            .hook("pre-rollout", "smoke", &[DENIED])
            .hook("post-rollout", "after", &[DENIED])
            .without_traffic()
            .ends(When::Phase("Failed"))
            .alerting(),
        Policy::nginx("rollout-hook", "a `rollout` hook fails after the first step", plain())
            .hook("rollout", "load", &[PASSED, DENIED])
            .hook("pre-rollout", "smoke", &[PASSED])
            .without_traffic()
            .ends(When::Phase("Failed")),
        Policy::nginx("rollback-hook", "a `rollback` hook signals at its third call", plain())
            .hook("rollback", "undo", &[DENIED, DENIED, PASSED])
            .without_traffic()
            .ends(When::Phase("Failed")),
        Policy::nginx("hook-answers-500", "a hook that answers 500 loses its body, 204 is a failure", short())
            .hook("pre-rollout", "smoke", &[500, 204])
            .without_traffic()
            .ends(When::Phase("Failed")),
    ]
}

fn faults() -> Vec<Policy> {
    let rate = || json!([{"name": "request-success-rate", "interval": "30s", "thresholdRange": {"min": 99}}]);
    let duration = || json!([{"name": "request-duration", "interval": "30s", "thresholdRange": {"max": 500}}]);
    let mut later = checked(rate());
    (later["stepWeight"], later["maxWeight"]) = (json!(30), json!(60));
    let scaling = When::Event("Scaling up");
    let failed = When::Phase("Failed");
    let nobody = "no request comes in";
    vec![
        Policy::nginx("storm", "500s from the first request", checked(rate())).then(scaling, storm()).ends(failed),
        Policy::gateway("storm-gateway", "the same through the Gateway API", checked(rate()))
            .then(scaling, storm())
            .ends(failed),
        Policy::nginx("storm-at-30", "500s from weight 30 on", later).then(When::Live(30), storm()).ends(failed),
        Policy::nginx("latency", "answers take 2 s; nginx' statistic is the mean", checked(duration()))
            .then(scaling, slow())
            .ends(failed),
        Policy::gateway("latency-gateway", "answers take 2 s; the app's 99th percentile", checked(duration()))
            .then(scaling, slow())
            .ends(failed),
        Policy::nginx("no-traffic", nobody, checked(rate())).without_traffic().ends(failed),
        Policy::nginx("no-traffic-duration", "no request comes in, for the other check", checked(duration()))
            .without_traffic()
            .ends(failed),
        Policy::nginx("never-ready", "an image that does not exist, and a deadline of 20 s", short())
            .changed(|it| it["spec"]["progressDeadlineSeconds"] = json!(20))
            .never_ready()
            .without_traffic()
            .ends(failed),
        template("template-fails", "a MetricTemplate that cannot be rendered", "{{ variables.missing }}").ends(failed),
        template("template-above", "a MetricTemplate above its maximum", "vector({{ variables.value }})").ends(failed),
        template(
            "template-window",
            "a MetricTemplate metric without `interval` that asks for one",
            "rate(up[{{ interval }}])",
        )
        .ends(failed),
        Policy::nginx("inline-query", "an inline query above its threshold", {
            let mut it = short();
            it["metrics"] = json!([{"name": "answer", "threshold": 41, "query": "vector(42)"}]);
            it
        })
        .without_traffic()
        .ends(failed),
    ]
}

fn changes() -> Vec<Policy> {
    let reference =
        |name: &str| json!({"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": name, "key": "color"}}});
    let mut config = Policy::nginx("config-change", "a ConfigMap that the pods read changes", short())
        .without_traffic()
        .with(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"color": "blue"}}))
        .with(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": {"key": "c2VjcmV0"}}));
    let spec = &mut config.deployment()["spec"]["template"]["spec"];
    spec["containers"][0]["env"] = json!([reference("settings")]);
    spec["volumes"] = json!([{"name": "keys", "secret": {"secretName": "keys"}}]);
    config.script = vec![(
        When::Phase("Initialized"),
        Act::Patch { api_version: "v1", kind: "ConfigMap", name: "settings", patch: json!({"data": {"color": "red"}}) },
    )];
    let autoscaler = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "podinfo", "labels": {"app": "podinfo"}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "minReplicas": 2,
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99}}}],
        },
    });
    vec![
        Policy::nginx("new-revision", "another revision at weight 25", plain())
            .then(When::Live(25), Act::Release("6.9.4"))
            .without_traffic(),
        config,
        Policy::nginx("skip-analysis", "`skipAnalysis: true`", short())
            .changed(|it| it["spec"]["skipAnalysis"] = json!(true))
            .without_traffic(),
        Policy::nginx("autoscaler", "an HPA of the target, and other bounds for the primary", short())
            .with(autoscaler)
            .changed(|it| {
                it["spec"]["autoscalerRef"] = json!({
                    "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo",
                    "primaryScalerReplicas": {"minReplicas": 1, "maxReplicas": 4},
                });
            })
            .without_traffic(),
        Policy::nginx("suspended", "suspended while a release comes in, then resumed", short())
            .changed(|it| it["spec"]["suspend"] = json!(false))
            .releases_never()
            .then(When::Phase("Initialized"), patch_canary(json!({"spec": {"suspend": true}})))
            .then(When::Event("suspended"), Act::Release("6.9.3"))
            .then(When::Event("suspended"), patch_canary(json!({"spec": {"suspend": false}})))
            .without_traffic(),
        Policy::nginx("reverted", "failed, put back to the promoted revision, released once more", short())
            .hook("pre-rollout", "smoke", &[DENIED, DENIED, PASSED])
            .then(When::Phase("Failed"), Act::Release("6.9.2"))
            .then(When::Statuses(2), Act::Release("6.9.3"))
            .without_traffic(),
        Policy::gateway("deleted", "`revertOnDeletion` and a deletion after the promotion", short())
            .changed(|it| it["spec"]["revertOnDeletion"] = json!(true))
            .then(
                When::Phase("Succeeded"),
                Act::Delete { api_version: "flagger.app/v1beta1", kind: "Canary", name: "podinfo" },
            )
            .ends(When::Event("Terminated"))
            .without_traffic(),
    ]
}

/// The open points of the behaviour specification, and texts for what is wrong with a policy.
fn corners() -> Vec<Policy> {
    let mut matched = short();
    matched["match"] = json!([{"headers": {"x-canary": {"exact": "insider"}}}]);
    let mut mirrored = short();
    mirrored["mirror"] = json!(true);
    let mut affine = short();
    affine["sessionAffinity"] = json!({"cookieName": "side"});
    let mut affine_to_both = plain();
    affine_to_both["sessionAffinity"] = json!({
        "cookieName": "side", "primaryCookieName": "main", "maxAge": 60, "domain": "example.com", "path": "/",
        "httpOnly": true, "secure": true, "sameSite": "Strict", "partitioned": true,
    });
    let advances = |count| When::Events(count, "Advance");
    let mut stuck =
        Policy::nginx("may-be-unavailable", "`maxUnavailable: 1` of one replica: no deadline ends it", short())
            .changed(|it| it["spec"]["progressDeadlineSeconds"] = json!(10))
            .never_ready()
            .ends(When::Events(4, "not ready"))
            .without_traffic();
    stuck.deployment()["spec"]["strategy"] = json!({"rollingUpdate": {"maxUnavailable": 1}});
    let mut broken =
        Policy::nginx("promotion-fails", "the primary breaks while it is promoted; then another revision", short())
            .then(When::Event("Copying"), image_of_primary("nope"))
            .then(When::Phase("Failed"), Act::Release("6.9.4"))
            .ends(When::Event("Canary failed"))
            .without_traffic();
    broken.deployment()["spec"]["progressDeadlineSeconds"] = json!(20);
    vec![
        Policy::nginx("waiting-rollback", "a `rollback` hook signals while `confirm-rollout` is closed", short())
            .hook("confirm-rollout", "start", &[DENIED, DENIED, PASSED])
            .hook("rollback", "undo", &[PASSED])
            .ends(When::Phase("Failed"))
            .without_traffic(),
        Policy::nginx("match-and-steps", "`match` with `stepWeight` on nginx", matched).without_traffic(),
        Policy::nginx("mirror-nginx", "`mirror` with weights on nginx", mirrored.clone())
            .ends(advances(3))
            .without_traffic(),
        Policy::gateway("mirror-gateway", "`mirror` with weights on the Gateway API", mirrored)
            .ends(advances(3))
            .without_traffic(),
        stuck,
        broken,
        Policy::gateway("session-affinity", "a cookie keeps visitors with the canary", affine).without_traffic(),
        Policy::gateway("session-affinity-both", "a cookie for each side, with all attributes", affine_to_both)
            .without_traffic(),
        Policy::gateway("session-affinity-failed", "a failed release with a cookie", {
            let mut it = plain();
            it["sessionAffinity"] = json!({"cookieName": "side"});
            it
        })
        .hook("rollout", "load", &[DENIED])
        .without_traffic()
        .ends(When::Phase("Failed")),
        Policy::nginx("no-such-metric", "a metric that asks nothing", {
            let mut it = short();
            it["metrics"] = json!([{"name": "nothing", "thresholdRange": {"max": 1}}]);
            it
        })
        .without_traffic()
        .ends(When::Phase("Failed")),
        kubernetes("steps-kubernetes", "`stepWeight` and `match` without a router", {
            let mut it = short();
            it["match"] = json!([{"headers": {"x-canary": {"exact": "insider"}}}]);
            it
        })
        .ends(When::Events(3, "Advance")),
        Policy::nginx("wrong-ingress", "an Ingress that does not name the Service", short())
            .changed(|it| it["spec"]["service"]["name"] = json!("other"))
            .releases_never()
            .without_traffic()
            .ends(When::Events(2, "not found in ingress")),
    ]
}

fn kubernetes(name: &'static str, shows: &'static str, analysis: Value) -> Policy {
    Policy::nginx(name, shows, analysis)
        .changed(|it| {
            it["spec"]["provider"] = json!("kubernetes");
            it["spec"].as_object_mut().unwrap().remove("ingressRef");
        })
        .without_traffic()
}

fn template(name: &'static str, shows: &'static str, query: &str) -> Policy {
    let template = json!({
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "custom"},
        "spec": {"provider": {"type": "prometheus", "address": "http://prometheus.flagger-system:9090"}, "query": query},
    });
    let mut analysis = short();
    analysis["metrics"] = json!([{
        "name": "custom",
        "templateRef": {"name": "custom"},
        "templateVariables": {"value": "7"},
        "thresholdRange": {"max": 5},
    }]);
    Policy::nginx(name, shows, analysis).with(template).without_traffic()
}

fn image_of_primary(tag: &str) -> Act {
    let container = json!({"name": "podinfod", "image": format!("ghcr.io/stefanprodan/podinfo:{tag}")});
    Act::Strategic {
        api_version: "apps/v1",
        kind: "Deployment",
        name: "podinfo-primary",
        patch: json!({"spec": {"template": {"spec": {"containers": [container]}}}}),
    }
}
