//! Custom kinds: definitions, types, pruning, defaults. The texts were read from kube-apiserver 1.34.3.

use super::support::{manifest, names, paused, server};
use coalmine::apiserver::{Api, DeleteOptions, ListOptions, Server, Target, resource};
use serde_json::{Value, json};

/// A kind with one field of each sort.
fn definition() -> Value {
    let parts = json!({ "a": { "type": "string" }, "b": { "type": "string" } });
    let either = json!([{ "required": ["a"] }, { "required": ["b"] }]);
    let spec = json!({
        "type": "object", "required": ["req"],
        "properties": {
            "req": { "type": "string", "enum": ["a", "b"] },
            "when": { "type": "string", "format": "date-time" },
            "pat": { "type": "string", "pattern": "^x+$", "minLength": 2, "maxLength": 4 },
            "replicas": { "type": "integer", "minimum": 1, "maximum": 10, "default": 3 },
            "num": { "type": "number", "multipleOf": 0.5 },
            "b": { "type": "boolean" },
            "ios": { "x-kubernetes-int-or-string": true },
            "items": {
                "type": "array", "minItems": 1, "maxItems": 2,
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object", "required": ["name"],
                    "properties": { "name": { "type": "string" }, "v": { "type": "integer", "default": 5 } }
                }
            },
            "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
            "m": { "type": "object", "additionalProperties": { "type": "integer" }, "maxProperties": 2, "minProperties": 1 },
            "nul": { "type": "string", "nullable": true },
            "pres": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "one": { "type": "object", "properties": parts, "oneOf": either },
            "any": { "type": "object", "properties": parts, "anyOf": either },
            "not": { "type": "object", "properties": parts, "not": { "required": ["a"] } },
        }
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "foos.ex.io" },
        "spec": {
            "group": "ex.io", "scope": "Namespaced", "names": { "plural": "foos", "kind": "Foo" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {
                    "status": {}, "scale": { "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" }
                },
                "schema": { "openAPIV3Schema": {
                    "type": "object", "required": ["spec"],
                    "properties": {
                        "spec": spec, "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }
                    }
                } }
            }]
        }
    })
}

fn with_foos() -> (Server, Api) {
    let server = server();
    let api = server.api();
    api.create(resource::CUSTOM_RESOURCE_DEFINITIONS, "", definition()).unwrap();
    (server, api)
}

fn foo(spec: Value) -> Value {
    json!({ "apiVersion": "ex.io/v1", "kind": "Foo", "metadata": { "name": "f", "namespace": "default" }, "spec": spec })
}

#[test]
fn values_that_do_not_fit_are_refused_in_the_words_of_the_real_server() {
    let cases = [
        (json!({ "req": "c" }), "spec.req: Unsupported value: \"c\": supported values: \"a\", \"b\""),
        (json!({}), "spec.req: Required value"),
        (json!({ "req": null }), "spec.req: Required value"),
        (
            json!({ "req": 5 }),
            "[spec.req: Invalid value: \"integer\": spec.req in body must be of type string: \"integer\", spec.req: \
             Unsupported value: 5: supported values: \"a\", \"b\"]",
        ),
        (
            json!({ "req": "a", "pat": "y" }),
            "spec.pat: Invalid value: \"y\": spec.pat in body should be at least 2 chars long",
        ),
        (json!({ "req": "a", "pat": "xxxxxx" }), "spec.pat: Too long: may not be more than 4 bytes"),
        (
            json!({ "req": "a", "replicas": 0 }),
            "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1",
        ),
        (
            json!({ "req": "a", "replicas": 11 }),
            "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10",
        ),
        (
            json!({ "req": "a", "num": 0.7 }),
            "spec.num: Invalid value: 0.7: spec.num in body should be a multiple of 0.5",
        ),
        (
            json!({ "req": "a", "b": "true" }),
            "spec.b: Invalid value: \"string\": spec.b in body must be of type boolean: \"string\"",
        ),
        (
            json!({ "req": "a", "ios": true }),
            "spec.ios: Invalid value: \"boolean\": spec.ios in body must be of type integer,string: \"boolean\"",
        ),
        (
            json!({ "req": "a", "items": [] }),
            "spec.items: Invalid value: 0: spec.items in body should have at least 1 items",
        ),
        (
            json!({ "req": "a", "items": [{ "name": "a" }, { "name": "a" }] }),
            "spec.items[1]: Duplicate value: {\"name\":\"a\"}",
        ),
        (
            json!({ "req": "a", "items": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] }),
            "spec.items: Too many: 3: must have at most 2 items",
        ),
        (json!({ "req": "a", "items": [{}] }), "spec.items[0].name: Required value"),
        (
            json!({ "req": "a", "items": {} }),
            "spec.items: Invalid value: \"object\": spec.items in body must be of type array: \"object\"",
        ),
        (json!({ "req": "a", "set": ["a", "a"] }), "spec.set[1]: Duplicate value: \"a\""),
        (json!({ "req": "a", "m": {} }), "spec.m: Invalid value: 0: spec.m in body should have at least 1 properties"),
        (
            json!({ "req": "a", "m": { "a": 1, "b": 2, "c": "x" } }),
            "[spec.m: Too many: 3: must have at most 2 items, spec.m.c: Invalid value: \"string\": spec.m.c in body must be of \
             type integer: \"string\"]",
        ),
        (
            json!({ "req": "a", "one": {} }),
            "[<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found none valid, \
             spec.one.a: Required value]",
        ),
        (
            json!({ "req": "a", "one": { "a": "x", "b": "y" } }),
            "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ),
        (
            json!({ "req": "a", "any": {} }),
            "[<nil>: Invalid value: \"\": \"spec.any\" must validate at least one schema (anyOf), spec.any.a: Required value]",
        ),
        (
            json!({ "req": "a", "not": { "a": "x" } }),
            "<nil>: Invalid value: \"\": \"spec.not\" must not validate the schema (not)",
        ),
        (
            json!({ "req": "a", "when": "zz" }),
            "spec.when: Invalid value: \"zz\": spec.when in body must be of type date-time: \"zz\"",
        ),
    ];
    paused(async {
        let (_server, api) = with_foos();
        for (spec, wanted) in cases {
            let refused = api.create("foos.ex.io", "default", foo(spec.clone())).expect_err(wanted);
            assert_eq!(refused.to_string(), format!("Foo.ex.io \"f\" is invalid: {wanted}"), "{spec}");
            assert_eq!(refused.code, 422);
        }
    });
}

#[test]
fn unknown_fields_go_and_defaults_come() {
    paused(async {
        let (_server, api) = with_foos();
        let spec = json!({
            "req": "a", "unknown": 1, "b": null, "replicas": null, "nul": null, "pres": { "kept": { "deep": 1 } },
            "items": [{ "name": "q", "unknown": 1 }]
        });
        let made = api.create("foos.ex.io", "default", foo(spec)).unwrap();
        let wanted = json!({
            "req": "a", "replicas": 3, "nul": null, "pres": { "kept": { "deep": 1 } }, "items": [{ "name": "q", "v": 5 }]
        });
        assert_eq!(made["spec"], wanted);
        assert_eq!(made["metadata"]["generation"], json!(1));
        let scale = api.get_part(&Target::new("foos.ex.io", "default", "f").scale()).unwrap();
        assert_eq!(scale["spec"], json!({ "replicas": 3 }));
    });
}

#[test]
fn an_update_of_a_custom_object_must_name_the_version_it_means() {
    paused(async {
        let (_server, api) = with_foos();
        api.create("foos.ex.io", "default", foo(json!({ "req": "a" }))).unwrap();
        let refused = api.update("foos.ex.io", foo(json!({ "req": "b" }))).unwrap_err();
        assert!(refused.to_string().contains("metadata.resourceVersion"), "{refused}");
        assert_eq!(refused.code, 422);
    });
}

#[test]
fn a_definition_is_in_force_at_once_and_takes_its_objects_along() {
    paused(async {
        let (_server, api) = with_foos();
        let definition = api.get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", "foos.ex.io").unwrap();
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        let shown: Vec<_> =
            conditions.iter().map(|it| (it["type"].as_str().unwrap(), it["status"].as_str().unwrap())).collect();
        assert_eq!(shown, [("NamesAccepted", "True"), ("Established", "True")]);
        assert_eq!(definition["status"]["acceptedNames"]["listKind"], json!("FooList"));
        api.create("foos.ex.io", "default", foo(json!({ "req": "a" }))).unwrap();
        api.delete(resource::CUSTOM_RESOURCE_DEFINITIONS, "", "foos.ex.io", &DeleteOptions::default()).unwrap();
        let gone = api.list("foos.ex.io", None, &ListOptions::default()).unwrap_err();
        assert_eq!(gone.to_string(), "the server could not find the requested resource");
        api.create(resource::CUSTOM_RESOURCE_DEFINITIONS, "", self::definition()).unwrap();
        assert_eq!(names(&api, "foos.ex.io"), [""; 0]);
    });
}

#[test]
fn flaggers_own_schema_refuses_what_flagger_would_not_understand() {
    paused(async {
        let api = server().api();
        for definition in manifest("manifests/flagger/crds.yaml") {
            api.create(resource::CUSTOM_RESOURCE_DEFINITIONS, "", definition).unwrap();
        }
        let canary = |analysis: Value| {
            json!({
                "apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": { "name": "c" },
                "spec": {
                    "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "c" },
                    "service": { "port": 80 }, "analysis": analysis
                }
            })
        };
        let good = json!({ "interval": "10s", "threshold": 5, "stepWeight": 10, "maxWeight": 50 });
        api.create("canaries.flagger.app", "default", canary(good.clone())).unwrap();
        let mut twice = good.clone();
        twice["iterations"] = json!(5);
        let refused = api.create("canaries.flagger.app", "default", canary(twice)).unwrap_err();
        assert!(refused.to_string().contains("must validate one and only one schema (oneOf)"), "{refused}");
        let mut slow = good;
        slow["interval"] = json!("soon");
        let refused = api.create("canaries.flagger.app", "default", canary(slow)).unwrap_err();
        assert!(
            refused.to_string().contains("spec.analysis.interval in body should match '^[0-9]+(m|s)'"),
            "{refused}"
        );
    });
}
