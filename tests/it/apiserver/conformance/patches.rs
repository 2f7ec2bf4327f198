//! The other three kinds of patch.

use super::rows::{DEPLOYMENTS, JSON, JSON_PATCH, MAPS, PODS, Table, at, deployment, map, pod};
use serde_json::{Value, json};

pub fn table() -> Table {
    let mut t = Table::new("patches");
    let a = at(MAPS, "a");
    t.post("a config map", MAPS, map("a"));
    t.merge("null removes", &a, json!({ "data": { "a": null, "b": "1" } }));
    t.merge("what is not there can be removed", &a, json!({ "data": { "none": null } }));
    t.merge("a text instead of an object", &a, "\"text\"").code_only();
    t.merge("a list instead of an object", &a, "[]").code_only();
    t.merge("an unknown field is told", &a, json!({ "typo": 1 }));
    t.merge("or refused", &(a.clone() + "?fieldValidation=Strict"), json!({ "typo": 1 })).code_only();
    t.merge("a wrong type", &a, json!({ "data": { "b": 5 } })).code_only();
    let ops = |ops: Value| ops;
    t.json_patch(
        "JSON patch adds and removes",
        &a,
        ops(json!([{ "op": "add", "path": "/data/c", "value": "3" }, { "op": "remove", "path": "/data/b" }])),
    );
    t.json_patch("its tests hold or refuse", &a, ops(json!([{ "op": "test", "path": "/data/c", "value": "4" }])))
        .code_only();
    t.json_patch(
        "nothing can be removed that is not there",
        &a,
        ops(json!([{ "op": "remove", "path": "/data/none" }])),
    )
    .code_only();
    t.json_patch(
        "what is not there can be replaced in an object",
        &a,
        ops(json!([{ "op": "replace", "path": "/data/new", "value": "n" }])),
    );
    t.json_patch(
        "but not below what is not there",
        &a,
        ops(json!([{ "op": "replace", "path": "/nowhere/new", "value": "n" }])),
    )
    .code_only();
    t.json_patch(
        "what is not there is null",
        &a,
        ops(json!([{ "op": "test", "path": "/data/nothing", "value": null }, { "op": "remove", "path": "/data/new" }])),
    );
    t.json_patch("and nothing else", &a, ops(json!([{ "op": "test", "path": "/data/nothing", "value": "n" }])))
        .code_only();
    t.json_patch("copy and move", &a, ops(json!([{ "op": "copy", "from": "/data/c", "path": "/data/d" }, { "op": "move", "from": "/data/c", "path": "/data/e" }])));
    t.json_patch("an unknown operation", &a, ops(json!([{ "op": "jump", "path": "/data/c" }]))).code_only();
    t.json_patch("an object instead of a list", &a, json!({})).code_only();
    t.json_patch("a slash in a key", &a, ops(json!([{ "op": "add", "path": "/metadata/annotations", "value": { "x.y/z": "1" } }, { "op": "replace", "path": "/metadata/annotations/x.y~1z", "value": "2" }])));
    t.json_patch("the root", &a, ops(json!([{ "op": "replace", "path": "", "value": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } } }])));
    t.ask("a patch without a body", ("PATCH", &a), JSON_PATCH).code_only();
    t.ask("an unknown media type", ("PATCH", &a), JSON);
    t.merge("the name cannot change", &a, json!({ "metadata": { "name": "b" } }));
    t.merge("nor the namespace", &a, json!({ "metadata": { "namespace": "other" } }));
    t.merge("nor the kind", &a, json!({ "kind": "Secret" })).code_only();
    t.merge("what the server keeps stays", &a, json!({ "metadata": { "uid": null, "creationTimestamp": null } }));
    let p = at(PODS, "p");
    t.post("a pod", PODS, pod("p"));
    t.strategic(
        "items merge by name",
        &p,
        json!({ "spec": { "containers": [{ "name": "main", "image": "podinfo:6.9.3" }] } }),
    );
    t.strategic(
        "a pod's containers are what they are",
        &p,
        json!({ "spec": { "containers": [{ "name": "side", "image": "i" }] } }),
    );
    t.strategic(
        "tolerations can be added",
        &p,
        json!({ "spec": { "tolerations": [{ "key": "a", "operator": "Exists" }] } }),
    );
    let web = at(DEPLOYMENTS, "web");
    let spec = |spec: Value| json!({ "spec": { "template": { "spec": spec } } });
    t.post("a deployment", DEPLOYMENTS, deployment("web"));
    t.strategic("a second container", &web, spec(json!({ "containers": [{ "name": "side", "image": "i" }] })));
    t.strategic("goes by a directive", &web, spec(json!({ "containers": [{ "name": "side", "$patch": "delete" }] })));
    t.strategic("an order", &web, spec(json!({ "$setElementOrder/containers": [{ "name": "new" }, { "name": "main" }], "containers": [{ "name": "new", "image": "i" }] })));
    t.strategic(
        "a list that is replaced",
        &web,
        spec(json!({ "containers": [{ "name": "only", "image": "i" }, { "$patch": "replace" }] })),
    );
    t.strategic(
        "keys that stay",
        &web,
        json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
    );
    t.strategic(
        "a list without keys is replaced",
        &web,
        spec(json!({ "tolerations": [{ "key": "a", "operator": "Exists" }] })),
    );
    t.strategic("an item without its key", &web, spec(json!({ "containers": [{ "image": "i" }] }))).code_only();
    t.strategic("an unknown directive", &web, json!({ "spec": { "$patch": "jump" } })).code_only();
    t.strategic("members of a set", &web, json!({ "metadata": { "finalizers": ["e.com/a", "e.com/b"] } }));
    t.strategic(
        "go by another directive",
        &web,
        json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["e.com/a"] } }),
    );
    t
}
