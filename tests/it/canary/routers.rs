//! The routers' objects: annotations of the canary Ingress, rules of the HTTPRoute.

use crate::canary::world::World;
use serde_json::{Value, json};

const PREFIX: &str = "nginx.ingress.kubernetes.io";

/// The canary annotations of the canary Ingress, without the prefix.
fn annotations(world: &World) -> Value {
    let all = world.object("Ingress", "podinfo-canary").unwrap()["metadata"]["annotations"].as_object().unwrap();
    let own = all
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(&format!("{PREFIX}/canary"))?.to_owned(), value.clone())));
    Value::Object(own.map(|(key, value)| (format!("canary{key}"), value)).collect())
}

fn idle() -> Value {
    json!({"canary": "true", "canary-weight": "0"})
}

/// Section 5.1 of the reference.
#[test]
fn the_canary_ingress_is_a_copy_with_the_canarys_backend() {
    let world = World::initialised(&json!({"service": {"name": "web"}, "analysis": {"stepWeight": 10}}));
    let ingress = world.object("Ingress", "podinfo-canary").unwrap();
    assert_eq!(annotations(&world), idle());
    assert_eq!(ingress["metadata"]["labels"], json!({"team": "a"}));
    assert_eq!(ingress["metadata"]["annotations"][format!("{PREFIX}/ssl-redirect")], "false");
    for flux in ["kustomize.toolkit.fluxcd.io/reconcile", "helm.toolkit.fluxcd.io/driftDetection"] {
        assert_eq!(ingress["metadata"]["annotations"][flux], "disabled");
    }
    let names: Vec<_> = ingress["spec"]["rules"][0]["http"]["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["backend"]["service"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["web-canary", "other"]);
    let owner = &ingress["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["name"], &owner["controller"]),
        (&json!("Canary"), &json!("podinfo"), &json!(true))
    );
}

#[test]
fn a_weight_is_one_annotation_and_rollback_leaves_the_idle_pair() {
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 60, "threshold": 1,
        "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}}]}}));
    world.release("podinfo:6.9.3");
    world.script.metric = Box::new(|tick, _| Ok(if tick < 3 { 100.0 } else { 0.0 }));
    for (tick, weight) in [(0, "0"), (1, "60"), (2, "100"), (3, "100"), (4, "0")] {
        world.tick();
        assert_eq!(annotations(&world), json!({"canary": "true", "canary-weight": weight}), "k{tick}");
    }
}

#[test]
fn header_and_cookie_rules_replace_the_weight_while_an_ab_test_runs() {
    for (matches, rules) in [
        (
            json!([{"headers": {"x-canary": {"exact": "insider"}}}]),
            json!({"canary-by-header": "x-canary", "canary-by-header-value": "insider"}),
        ),
        (
            json!([{"headers": {"x-canary": {"regex": "^a.*"}}}]),
            json!({"canary-by-header": "x-canary", "canary-by-header-pattern": "^a.*"}),
        ),
        (json!([{"headers": {"cookie": {"exact": "canary"}}}]), json!({"canary-by-cookie": "canary"})),
        // The last header and the last cookie are what is left.
        (
            json!([{"headers": {"a": {"exact": "1"}}}, {"headers": {"cookie": {"exact": "c"}, "b": {"regex": "2"}}}]),
            json!({"canary-by-header": "b", "canary-by-header-pattern": "2", "canary-by-cookie": "c"}),
        ),
    ] {
        let mut world = World::initialised(&json!({"analysis": {"iterations": 1, "match": matches}}));
        world.release("podinfo:6.9.3");
        world.tick();
        assert_eq!(annotations(&world), idle());
        world.tick();
        let mut wanted = idle();
        crate::canary::world::merge(&mut wanted, &rules);
        assert_eq!(annotations(&world), wanted, "{matches}");
        for _ in 0..3 {
            world.tick();
        }
        assert_eq!(annotations(&world), idle(), "after the promotion");
    }
}

/// Every way in which the router stops a tick, in Flagger's words.
#[test]
fn what_is_wrong_with_the_ingress_is_said() {
    let wrong = |spec: Value, edit: fn(&mut World)| {
        let mut world = World::initialised(&json!({"analysis": {"stepWeight": 10}}));
        world.edit("Canary", "podinfo", &json!({"spec": spec}));
        edit(&mut world);
        world.release("podinfo:6.9.3");
        world.tick().events
    };
    assert_eq!(wrong(json!({"ingressRef": null}), |_| ()), ["W ingress selector is empty"]);
    assert_eq!(wrong(json!({"service": {"name": "web"}}), |_| ()), ["W backend web not found in ingress podinfo"]);
    let garbage = |world: &mut World| {
        let patch = json!({"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary-weight": "many"}}});
        world.edit("Ingress", "podinfo-canary", &patch);
    };
    assert_eq!(wrong(json!({}), garbage), ["W failed to convert many to int"]);
    assert_eq!(
        wrong(json!({}), |world| world.delete("Ingress", "podinfo")),
        ["W ingress podinfo.test get query error: ingresses.networking.k8s.io \"podinfo\" not found"]
    );
    let istio = wrong(json!({"provider": "istio"}), |_| ());
    assert!(
        istio[0].starts_with("W the server could not find the requested resource (coalmine has no router"),
        "{istio:?}"
    );
}

#[test]
fn a_deleted_canary_ingress_is_made_again_and_the_run_begins_anew() {
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 30}}));
    world.release("podinfo:6.9.3");
    for _ in 0..3 {
        world.tick();
    }
    assert_eq!(world.live_weight(), 60);
    world.delete("Ingress", "podinfo-canary");
    let wanted = ["N Starting canary analysis for podinfo.test", "N Advance podinfo.test canary weight 30"];
    assert_eq!(world.tick().events, wanted);
    assert_eq!(world.live_weight(), 30);
}

#[test]
fn edits_of_the_main_ingress_reach_the_copys_spec_and_not_its_annotations() {
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 30}}));
    world.edit(
        "Ingress",
        "podinfo",
        &json!({"spec": {"ingressClassName": "other"},
        "metadata": {"annotations": {"nginx.ingress.kubernetes.io/ssl-redirect": "true"}}}),
    );
    world.tick();
    let copy = world.object("Ingress", "podinfo-canary").unwrap();
    assert_eq!(copy["spec"]["ingressClassName"], "other");
    assert_eq!(copy["metadata"]["annotations"][format!("{PREFIX}/ssl-redirect")], "false");
}

// --- Gateway API

fn gateway(more: &Value) -> Value {
    let mut spec = json!({"provider": "gatewayapi:v1", "service": {"port": 80, "hosts": ["app.example.com"],
        "gatewayRefs": [{"name": "gateway", "namespace": "gateway"}]}, "analysis": {"stepWeight": 40}});
    crate::canary::world::merge(&mut spec, more);
    spec
}

fn rules(world: &World) -> &Vec<Value> {
    world.object("HTTPRoute", "podinfo").unwrap()["spec"]["rules"].as_array().unwrap()
}

/// Matches, then each backend with its weight, of each rule.
fn outline(world: &World) -> Vec<String> {
    let backend = |it: &Value| format!("{}={}", it["name"].as_str().unwrap(), it["weight"]);
    let backends =
        |rule: &Value| rule["backendRefs"].as_array().unwrap().iter().map(backend).collect::<Vec<_>>().join(" ");
    rules(world).iter().map(backends).collect()
}

/// Section 5.2 of the reference.
#[test]
fn a_weighted_run_moves_the_two_backends_of_one_rule() {
    let mut world = World::initialised(&gateway(&json!({"service": {"timeout": "5s", "backendTimeout": "2s"}})));
    let route = world.object("HTTPRoute", "podinfo").unwrap();
    assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(route["spec"]["parentRefs"], json!([{"name": "gateway", "namespace": "gateway"}]));
    assert_eq!(route["spec"]["hostnames"], json!(["app.example.com"]));
    assert_eq!(rules(&world)[0]["matches"], json!([{"path": {"type": "PathPrefix", "value": "/"}}]));
    assert_eq!(rules(&world)[0]["timeouts"], json!({"request": "5s", "backendRequest": "2s"}));
    world.release("podinfo:6.9.3");
    for (tick, primary, canary) in [(0, 100, 0), (1, 60, 40), (2, 20, 80), (3, 0, 100), (4, 0, 100), (5, 100, 0)] {
        world.tick();
        assert_eq!(outline(&world), [format!("podinfo-primary={primary} podinfo-canary={canary}")], "k{tick}");
    }
}

#[test]
fn an_ab_test_has_a_rule_for_its_matches_and_one_for_everybody_else() {
    let matches = json!([{"headers": {"x-canary": {"exact": "insider"}}}, {"queryParams": {"q": {"regex": "a+"}}}]);
    let spec = json!({"service": {"match": [{"uri": {"prefix": "/app"}, "method": {"exact": "GET"}}]},
        "analysis": {"stepWeight": null, "iterations": 2, "match": matches}});
    let mut world = World::initialised(&gateway(&spec));
    assert_eq!(outline(&world), ["podinfo-primary=100 podinfo-canary=0", "podinfo-primary=100"]);
    world.release("podinfo:6.9.3");
    world.tick();
    world.tick();
    assert_eq!(outline(&world), ["podinfo-primary=0 podinfo-canary=100", "podinfo-primary=100"]);
    let path = json!({"type": "PathPrefix", "value": "/app"});
    let wanted = json!([
        {"path": path, "method": "GET", "headers": [{"type": "Exact", "name": "x-canary", "value": "insider"}]},
        {"path": path, "method": "GET", "queryParams": [{"type": "RegularExpression", "name": "q", "value": "a+"}]},
    ]);
    assert_eq!(rules(&world)[0]["matches"], wanted);
    assert_eq!(rules(&world)[1]["matches"], json!([{"path": path, "method": "GET"}]));
    for _ in 0..4 {
        world.tick();
    }
    assert_eq!(world.canary.status.phase.name(), "Succeeded");
}

#[test]
fn blue_green_with_mirror_adds_a_mirror_filter_until_the_switch() {
    let spec = json!({"analysis": {"stepWeight": null, "iterations": 2, "mirror": true}});
    let mut world = World::initialised(&gateway(&spec));
    world.release("podinfo:6.9.3");
    world.tick();
    world.tick();
    let backend = json!({"group": "", "kind": "Service", "name": "podinfo-canary", "port": 80});
    let filter = json!([{"type": "RequestMirror", "requestMirror": {"backendRef": backend}}]);
    assert_eq!(rules(&world)[0]["filters"], filter);
    world.tick();
    assert_eq!(rules(&world)[0]["filters"], filter, "reconciling leaves it");
    let switch = world.tick();
    assert_eq!(switch.events, ["N Stop traffic mirroring and route all traffic to canary"]);
    assert!(rules(&world)[0].get("filters").is_none());
    assert_eq!(outline(&world), ["podinfo-primary=0 podinfo-canary=100"]);
}

#[test]
fn session_affinity_keeps_clients_with_the_version_they_have_met() {
    let affinity = json!({"cookieName": "flagger", "primaryCookieName": "main", "maxAge": 60, "secure": true});
    let mut world = World::initialised(&gateway(&json!({"analysis": {"sessionAffinity": affinity}})));
    world.release("podinfo:6.9.3");
    world.tick();
    world.tick();
    let wanted = [
        "podinfo-primary=0 podinfo-canary=100",
        "podinfo-primary=100 podinfo-canary=0",
        "podinfo-primary=60 podinfo-canary=40",
    ];
    assert_eq!(outline(&world), wanted);
    let header = &rules(&world)[0]["matches"][0]["headers"][0];
    assert_eq!(header["value"], ".*flagger.*abcdefghij.*");
    let given = &rules(&world)[2]["backendRefs"][1]["filters"][0]["responseHeaderModifier"]["add"][0];
    assert_eq!(given["value"], "flagger=abcdefghij; Max-Age=60; Secure");
    assert_eq!(world.canary.status.session_affinity_cookie, "flagger=abcdefghij");
    // The weight is read from the weighted rule, and goes on from there.
    assert_eq!(world.tick().events, ["N Advance podinfo.test canary weight 80"]);
    for _ in 0..3 {
        world.tick();
    }
    assert_eq!(world.canary.status.phase.name(), "Finalising");
    assert_eq!(outline(&world), ["podinfo-primary=100 podinfo-canary=0", "podinfo-primary=100 podinfo-canary=0"]);
    let forget = rules(&world)[0]["filters"].as_array().unwrap().last().unwrap();
    assert_eq!(forget["responseHeaderModifier"]["add"][0]["value"], "flagger=abcdefghij; Max-Age=-1");
    assert_eq!(world.canary.status.previous_session_affinity_cookie, "flagger=abcdefghij");
    assert_eq!(world.canary.status.session_affinity_cookie, "");
}

#[test]
fn service_filters_are_in_every_rule() {
    let service = json!({"headers": {"request": {"add": {"x-a": "1"}, "remove": ["x-b"]}},
        "rewrite": {"uri": "/new", "type": "ReplacePrefixMatch"}});
    let world = World::initialised(&gateway(&json!({"service": service})));
    let wanted = json!([
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"name": "x-a", "value": "1"}], "remove": ["x-b"]}},
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}},
    ]);
    assert_eq!(rules(&world)[0]["filters"], wanted);
}

#[test]
fn what_is_wrong_with_the_route_is_said() {
    let mut world = World::new(&gateway(&json!({"service": {"gatewayRefs": null}})));
    world.tick();
    let words = "W GatewayRefs must be specified when using Gateway API as a provider.";
    assert_eq!(world.tick().events.last().unwrap(), words);
    let mut world = World::initialised(&gateway(&json!({})));
    world.release("podinfo:6.9.3");
    world.edit("HTTPRoute", "podinfo", &json!({"metadata": {"labels": {"x": "y"}}, "spec": {"hostnames": ["else"]}}));
    // Reconciling puts the spec back; the gateway has not accepted that generation yet.
    let words = "W HTTPRoute podinfo.test parent gateway is not ready (status: True, observed generation: 2, current generation: 3)";
    assert_eq!(world.tick().events, [words]);
    assert_eq!(world.tick().events, ["N New revision detected! Scaling up podinfo.test"]);
}

#[test]
fn foreign_annotations_of_a_route_stay() {
    let mut world = World::initialised(&gateway(&json!({"service": {"apex": {"annotations": {"own": "1"}}}})));
    world.edit("HTTPRoute", "podinfo", &json!({"metadata": {"annotations": {"foreign": "2"}}}));
    world.tick();
    let annotations = &world.object("HTTPRoute", "podinfo").unwrap()["metadata"]["annotations"];
    assert_eq!((&annotations["own"], &annotations["foreign"]), (&json!("1"), &json!("2")));
}

// --- kubernetes

#[test]
fn without_a_router_everything_is_blue_green_and_silent() {
    let mut world =
        World::initialised(&json!({"provider": "kubernetes", "ingressRef": null, "analysis": {"stepWeight": 10}}));
    world.release("podinfo:6.9.3");
    world.tick();
    let first = world.tick();
    let wanted = [
        "N Starting canary analysis for podinfo.test",
        "W Progressive traffic is not supported when using the kubernetes provider",
        "W Setting canaryAnalysis.iterations: 10",
        "N Advance podinfo.test canary iteration 1/10",
    ];
    assert_eq!(first.events, wanted);
    for _ in 0..11 {
        world.tick();
    }
    assert_eq!(world.tick().events, Vec::<String>::new(), "Promoting has nothing to route");
    assert_eq!(world.canary.status.phase.name(), "Finalising");
    assert_eq!(world.tick().events, ["N Promotion completed! Scaling down podinfo.test"]);
}
