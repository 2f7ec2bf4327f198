//! Laws of the patches, and that nothing a client sends can bring the server down.

use super::support::{deployment, paused, server};
use coalmine::apiserver::{PatchKind, Target, resource};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any small JSON value; keys often hit fields of pods and directives of patches.
fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("metadata"),
        Just("spec"),
        Just("status"),
        Just("template"),
        Just("containers"),
        Just("name"),
        Just("image"),
        Just("labels"),
        Just("replicas"),
        Just("env"),
        Just("ports"),
        Just("$patch"),
        Just("$retainKeys"),
        Just("$setElementOrder/containers"),
        Just("$deleteFromPrimitiveList/finalizers"),
        Just("finalizers"),
        Just("ownerReferences"),
        Just("op"),
        Just("path"),
        Just("value"),
        Just("strategy"),
        Just("selector"),
        Just("matchLabels"),
        Just("conditions"),
        Just("type"),
        Just("managedFields"),
        Just("a"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..70_000).prop_map(Value::from),
        prop_oneof![
            Just("main"),
            Just("delete"),
            Just("replace"),
            Just("/spec/replicas"),
            Just("add"),
            Just("x"),
            Just("")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn kinds() -> [PatchKind; 4] {
    let apply = PatchKind::Apply { field_manager: "fuzz".to_owned(), force: true };
    [PatchKind::Json, PatchKind::Merge, PatchKind::Strategic, apply]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_patch_panics_and_a_refused_one_changes_nothing(patch in any_json(), which in 0_usize..4) {
        paused(async {
            let api = server().api();
            let before = api.create(resource::DEPLOYMENTS, "default", deployment("web")).unwrap();
            let target = Target::new(resource::DEPLOYMENTS, "default", "web");
            for target in [target, target.status(), target.scale()] {
                let current = api.get(resource::DEPLOYMENTS, "default", "web").unwrap();
                if api.patch(&target, &kinds()[which], patch.clone()).is_err() {
                    prop_assert_eq!(&current, &api.get(resource::DEPLOYMENTS, "default", "web").unwrap());
                }
            }
            let after = api.get(resource::DEPLOYMENTS, "default", "web").unwrap();
            for kept in ["name", "namespace", "uid", "creationTimestamp"] {
                prop_assert_eq!(&after["metadata"][kept], &before["metadata"][kept]);
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_manifest_panics(object in any_json()) {
        paused(async {
            let api = server().api();
            for resource in [resource::PODS, resource::DEPLOYMENTS, resource::SERVICES, resource::INGRESSES,
                resource::CUSTOM_RESOURCE_DEFINITIONS, resource::EVENTS, resource::HORIZONTAL_POD_AUTOSCALERS] {
                let _ = api.create(resource, "default", object.clone());
            }
        });
    }

    /// RFC 7386: applying a merge patch twice is applying it once, and what it sets is there afterwards.
    #[test]
    fn a_merge_patch_is_idempotent(patch in any_json()) {
        paused(async {
            let api = server().api();
            api.create(resource::CONFIGMAPS, "default", json!({ "metadata": { "name": "m" }, "data": { "a": "1" } })).unwrap();
            let target = Target::new(resource::CONFIGMAPS, "default", "m");
            if let Ok(once) = api.patch(&target, &PatchKind::Merge, patch.clone()) {
                // A finalizer or an owner may have taken the object along.
                if let Ok(twice) = api.patch(&target, &PatchKind::Merge, patch) {
                    prop_assert_eq!(once, twice);
                }
            }
            Ok(())
        })?;
    }
}

/// Each row: what the patch does, the patch, and what `/spec/template/spec` then has at a pointer.
#[test]
fn a_strategic_patch_merges_lists_by_their_keys() {
    let cases = [
        (
            "a field of a container",
            json!({ "containers": [{ "name": "main", "image": "new" }] }),
            "/containers/0/image",
            json!("new"),
        ),
        (
            "another container",
            json!({ "containers": [{ "name": "more", "image": "i" }] }),
            "/containers/0/name",
            json!("more"),
        ),
        (
            "a container goes",
            json!({ "containers": [{ "name": "side", "$patch": "delete" }] }),
            "/containers/1",
            Value::Null,
        ),
        (
            "the list is replaced",
            json!({ "containers": [{ "$patch": "replace" }, { "name": "only", "image": "i" }] }),
            "/containers/0/name",
            json!("only"),
        ),
        (
            "a variable by name",
            json!({ "containers": [{ "name": "main", "env": [{ "name": "A", "value": "9" }] }] }),
            "/containers/0/env",
            json!([{ "name": "A", "value": "9" }, { "name": "B", "value": "2" }]),
        ),
        (
            "an order",
            json!({ "$setElementOrder/containers": [{ "name": "side" }, { "name": "main" }], "containers": [{ "name": "side", "image": "j" }] }),
            "/containers/0/image",
            json!("j"),
        ),
        (
            "a volume keeps only its new source",
            json!({ "volumes": [{ "name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": { "path": "/x" } }] }),
            "/volumes/0/emptyDir",
            Value::Null,
        ),
        ("null removes", json!({ "volumes": null }), "/volumes", Value::Null),
    ];
    for (what, patch, pointer, wanted) in cases {
        paused(async {
            let api = server().api();
            let mut object = deployment("web");
            object["spec"]["template"]["spec"] = json!({
                "containers": [
                    { "name": "main", "image": "i", "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }] },
                    { "name": "side", "image": "i" }
                ],
                "volumes": [{ "name": "v", "emptyDir": {} }]
            });
            api.create(resource::DEPLOYMENTS, "default", object).unwrap();
            let target = Target::new(resource::DEPLOYMENTS, "default", "web");
            let patch = json!({ "spec": { "template": { "spec": patch } } });
            let patched = api.patch(&target, &PatchKind::Strategic, patch.clone()).unwrap();
            let found = patched["spec"]["template"]["spec"].pointer(pointer).cloned().unwrap_or_default();
            assert_eq!(found, wanted, "{what}");
            if !patch.to_string().contains("$patch") {
                let again = api.patch(&target, &PatchKind::Strategic, patch).unwrap();
                assert_eq!(again, patched, "{what}: twice is once");
            }
        });
    }
}

#[test]
fn a_json_patch_that_fails_says_why_and_changes_nothing() {
    paused(async {
        let api = server().api();
        let made = api.create(resource::DEPLOYMENTS, "default", deployment("web")).unwrap();
        let target = Target::new(resource::DEPLOYMENTS, "default", "web");
        let patch = json!([
            { "op": "replace", "path": "/spec/replicas", "value": 9 }, { "op": "test", "path": "/spec/paused", "value": true }
        ]);
        assert_eq!(api.patch(&target, &PatchKind::Json, patch).unwrap_err().code, 422);
        assert_eq!(api.get(resource::DEPLOYMENTS, "default", "web").unwrap(), made);
    });
}

#[test]
fn status_and_spec_do_not_write_each_other() {
    paused(async {
        let api = server().api();
        let made = api.create(resource::DEPLOYMENTS, "default", deployment("web")).unwrap();
        let mut both = (*made).clone();
        both["spec"]["replicas"] = json!(7);
        both["status"] = json!({ "replicas": 3 });
        let after = api.update_status(resource::DEPLOYMENTS, both.clone()).unwrap();
        assert_eq!((&after["spec"]["replicas"], &after["status"]["replicas"]), (&json!(1), &json!(3)));
        assert_eq!(after["metadata"]["generation"], json!(1), "the status is not the wish");
        both["metadata"]["resourceVersion"] = after["metadata"]["resourceVersion"].clone();
        both["status"] = json!({ "replicas": 4 });
        let after = api.update(resource::DEPLOYMENTS, both).unwrap();
        assert_eq!((&after["spec"]["replicas"], &after["status"]["replicas"]), (&json!(7), &json!(3)));
        let target = Target::new(resource::DEPLOYMENTS, "default", "web").scale();
        let scale = api.patch(&target, &PatchKind::Merge, json!({ "spec": { "replicas": 2 } })).unwrap();
        assert_eq!(scale["kind"], json!("Scale"));
        assert_eq!(scale["status"], json!({ "replicas": 3, "selector": "app=web" }));
        let object = api.get(resource::DEPLOYMENTS, "default", "web").unwrap();
        assert_eq!((&object["spec"]["replicas"], &object["metadata"]["generation"]), (&json!(2), &json!(3)));
    });
}
