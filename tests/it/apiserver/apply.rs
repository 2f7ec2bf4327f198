//! Server-side apply: who owns what, and what happens when two want the same.

use super::support::{deployment, paused, server};
use coalmine::apiserver::{Api, PatchKind, Status, Target, resource};
use serde_json::{Value, json};
use std::sync::Arc;

fn apply(api: &Api, manager: &str, force: bool, config: Value) -> Result<Arc<Value>, Status> {
    let kind = PatchKind::Apply { field_manager: manager.to_owned(), force };
    api.patch(&Target::new(resource::DEPLOYMENTS, "default", "web"), &kind, config)
}

/// A configuration that says only the replicas.
fn replicas(count: i64) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "replicas": count } })
}

/// The `fieldsV1` of a manager.
fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().find(|it| it["manager"] == json!(manager)).map_or(Value::Null, |it| it["fieldsV1"].clone())
}

#[test]
fn an_apply_creates_and_owns_what_it_says_and_no_default() {
    paused(async {
        let api = server().api();
        let made = apply(&api, "ann", false, deployment("web")).unwrap();
        assert_eq!(made["spec"]["replicas"], json!(1));
        assert_eq!(
            owned(&made, "ann"),
            json!({ "f:spec": {
                "f:selector": {},
                "f:template": {
                    "f:metadata": { "f:labels": { "f:app": {} } },
                    "f:spec": { "f:containers": { "k:{\"name\":\"main\"}": { ".": {}, "f:image": {}, "f:name": {} } } }
                }
            } })
        );
        let again = apply(&api, "ann", false, deployment("web")).unwrap();
        assert_eq!(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"], "nothing new, no write");
    });
}

#[test]
fn two_who_want_different_values_conflict_until_one_forces() {
    paused(async {
        let api = server().api();
        let mut config = deployment("web");
        config["spec"]["replicas"] = json!(2);
        apply(&api, "ann", false, config).unwrap();
        let refused = apply(&api, "bob", false, replicas(5)).unwrap_err();
        assert_eq!(refused.code, 409);
        assert_eq!(refused.to_string(), "Apply failed with 1 conflict: conflict with \"ann\": .spec.replicas");
        let causes = &refused.details.as_ref().unwrap().causes;
        assert_eq!((causes[0].reason.as_str(), causes[0].field.as_str()), ("FieldManagerConflict", ".spec.replicas"));
        // The same value is no conflict: both own it.
        let shared = apply(&api, "bob", false, replicas(2)).unwrap();
        assert_eq!(owned(&shared, "bob"), json!({ "f:spec": { "f:replicas": {} } }));
        assert!(owned(&shared, "ann")["f:spec"].get("f:replicas").is_some());
        let forced = apply(&api, "bob", true, replicas(5)).unwrap();
        assert_eq!(forced["spec"]["replicas"], json!(5));
        assert!(owned(&forced, "ann")["f:spec"].get("f:replicas").is_none(), "force takes over");
    });
}

#[test]
fn an_update_takes_fields_from_appliers_and_is_named_in_their_conflict() {
    paused(async {
        let api = server().api();
        let mut config = deployment("web");
        config["spec"]["replicas"] = json!(2);
        let made = apply(&api, "ann", false, config.clone()).unwrap();
        let mut object = (*made).clone();
        object["spec"]["replicas"] = json!(4);
        server_update(&api, object);
        let refused = apply(&api, "ann", false, config).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Apply failed with 1 conflict: conflict with \"coalmine\" using apps/v1: .spec.replicas"
        );
    });
}

fn server_update(api: &Api, object: Value) {
    api.update(resource::DEPLOYMENTS, object).unwrap();
}

#[test]
fn what_is_no_longer_applied_goes_unless_another_owns_it() {
    paused(async {
        let api = server().api();
        let mut config = deployment("web");
        config["metadata"]["labels"] = json!({ "mine": "1", "ours": "1" });
        config["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }]);
        apply(&api, "ann", false, config).unwrap();
        let mut also = replicas(1);
        also["metadata"]["labels"] = json!({ "ours": "1" });
        apply(&api, "bob", true, also).unwrap();
        let mut less = deployment("web");
        less["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{ "name": "B", "value": "2" }]);
        let left = apply(&api, "ann", false, less).unwrap();
        assert_eq!(left["metadata"]["labels"], json!({ "ours": "1" }));
        let env = &left["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(*env, json!([{ "name": "B", "value": "2" }]));
    });
}

#[test]
fn containers_of_two_appliers_live_side_by_side() {
    paused(async {
        let api = server().api();
        apply(&api, "ann", false, deployment("web")).unwrap();
        let mut sidecar = replicas(1);
        sidecar["spec"] =
            json!({ "template": { "spec": { "containers": [{ "name": "proxy", "image": "envoy:1" }] } } });
        let both = apply(&api, "mesh", false, sidecar).unwrap();
        let names: Vec<_> = both["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["main", "proxy"]);
        // Whoever stops applying its container loses it; the other stays.
        let left = apply(&api, "mesh", false, json!({ "metadata": { "name": "web" } })).unwrap();
        assert_eq!(left["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn an_apply_needs_a_manager_and_no_managed_fields() {
    paused(async {
        let api = server().api();
        let nameless = apply(&api, "", false, deployment("web")).unwrap_err();
        assert_eq!(
            nameless.to_string(),
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
        );
        let mut config = deployment("web");
        config["metadata"]["managedFields"] = json!([{ "manager": "x" }]);
        assert_eq!(apply(&api, "ann", false, config).unwrap_err().to_string(), "metadata.managedFields must be nil");
    });
}
