//! Kinds that a CustomResourceDefinition makes: with a status subresource and without.

use super::rows::{Table, at};
use serde_json::{Value, json};

fn definition(plural: &str, kind: &str, subresources: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.example.com") },
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": { "plural": plural, "kind": kind },
            "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": subresources, "schema": { "openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "spec": { "type": "object", "required": ["size"], "properties": {
                        "size": { "type": "integer", "minimum": 1, "maximum": 9 },
                        "mode": { "type": "string", "enum": ["a", "b"], "default": "a" },
                        "name": { "type": "string", "pattern": "^[a-z]+$", "maxLength": 5 },
                        "tags": { "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "set" },
                        "rows": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
                                  "items": { "type": "object", "required": ["key"], "properties": { "key": { "type": "string" }, "value": { "type": "integer" } } } },
                        "open": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }
                    } },
                    "status": { "type": "object", "properties": { "ready": { "type": "boolean" }, "replicas": { "type": "integer" } } }
                }
            } } }]
        }
    })
}

pub fn table() -> Table {
    let mut t = Table::new("custom");
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let scale = json!({ "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas" });
    t.post(
        "a kind with subresources",
        definitions,
        definition("widgets", "Widget", json!({ "status": {}, "scale": scale })),
    )
    .code_only();
    t.post("a kind without", definitions, definition("gadgets", "Gadget", json!({}))).code_only();
    let widgets = "/apis/example.com/v1/namespaces/{ns}/widgets";
    let gadgets = "/apis/example.com/v1/namespaces/{ns}/gadgets";
    t.get("it is served soon", widgets).patient();
    t.get("the other too", gadgets).patient();
    let of = |kind: &str, name: &str, spec: Value| json!({ "apiVersion": "example.com/v1", "kind": kind, "metadata": { "name": name }, "spec": spec, "status": { "ready": true } });
    let w = at(widgets, "w");
    t.post("a status has no place in a create", widgets, of("Widget", "w", json!({ "size": 3 }))).keep("w");
    t.merge("the spec counts", &w, json!({ "spec": { "size": 4 } }));
    t.merge("metadata does not", &w, json!({ "metadata": { "labels": { "a": "b" } } }));
    t.merge("the status has its own place", &w, json!({ "status": { "ready": false } }));
    t.merge(
        "which is there",
        &(w.clone() + "/status"),
        json!({ "status": { "ready": true, "replicas": 2 }, "spec": { "size": 9 } }),
    );
    t.merge("its scale", &(w.clone() + "/scale"), json!({ "spec": { "replicas": 5 } }));
    t.get("all of that", &w);
    t.put("a put needs a version", &w, of("Widget", "w", json!({ "size": 3 })));
    t.post("kind and version must be said", widgets, json!({ "metadata": { "name": "x" }, "spec": { "size": 1 } }));
    // One fault each: the real server tells several in a random order.
    t.post("a greatest value holds", widgets, of("Widget", "x", json!({ "size": 10 })));
    t.post("one of these", widgets, of("Widget", "x", json!({ "size": 1, "mode": "c" })));
    t.post("a longest text holds", widgets, of("Widget", "x", json!({ "size": 1, "name": "UPPERCASE" })));
    t.post("what is required must be there", widgets, of("Widget", "x", json!({})));
    t.post("types hold", widgets, of("Widget", "x", json!({ "size": 1, "mode": 5 })));
    t.post(
        "unknown fields are told and dropped",
        widgets,
        of("Widget", "x", json!({ "size": 1, "typo": 2, "open": { "any": 1 } })),
    );
    t.post(
        "or refused",
        &format!("{widgets}?fieldValidation=Strict"),
        of("Widget", "y", json!({ "size": 1, "typo": 2 })),
    );
    t.post("a set has no member twice", widgets, of("Widget", "y", json!({ "size": 1, "tags": ["a", "a"] })));
    t.post("a map no key", widgets, of("Widget", "y", json!({ "size": 1, "rows": [{ "key": "a" }, { "key": "a" }] })));
    t.strategic("no strategic merge", &w, json!({}));
    let apply = |spec: Value| json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "z" }, "spec": spec });
    let z = at(widgets, "z");
    t.apply(
        "apply creates",
        &(z.clone() + "?fieldManager=ann"),
        apply(json!({ "size": 1, "tags": ["a"], "rows": [{ "key": "k", "value": 1 }] })),
    );
    t.apply(
        "sets and maps merge",
        &(z.clone() + "?fieldManager=bob"),
        apply(json!({ "size": 1, "tags": ["b"], "rows": [{ "key": "l", "value": 2 }] })),
    );
    t.apply(
        "rows conflict by key",
        &(z.clone() + "?fieldManager=bob"),
        apply(json!({ "size": 1, "rows": [{ "key": "k", "value": 3 }] })),
    );
    t.apply("what ann drops goes", &(z.clone() + "?fieldManager=ann"), apply(json!({ "size": 1 })));
    let g = at(gadgets, "g");
    t.post("without the subresource a status is a field", gadgets, of("Gadget", "g", json!({ "size": 1 })));
    t.merge("and counts", &g, json!({ "status": { "ready": false } }));
    t.get("there is no other", &(g.clone() + "/status"));
    t.get("and no scale", &(g + "/scale"));
    t.get("a table of them", widgets).accept("application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    t.delete("a definition goes", &at(definitions, "gadgets.example.com")).code_only();
    t
}
