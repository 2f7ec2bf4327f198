//! Deletion waits for finalizers, and pods for their grace period.

use super::rows::{DEPLOYMENTS, MAPS, PODS, Table, at, deployment, map, pod, with};
use serde_json::{Value, json};

pub fn table() -> Table {
    let mut t = Table::new("finalizers");
    let held = |name: &str| with(map(name), "/metadata/finalizers", json!(["example.com/a", "example.com/b"]));
    let left = |names: Value| json!({ "metadata": { "finalizers": names } });
    let a = at(MAPS, "a");
    t.post("a config map with two finalizers", MAPS, held("a"));
    t.delete("its deletion only begins", &a);
    t.delete("and does not begin again", &a);
    t.get("it is still there", &a);
    t.merge("it can still change", &a, json!({ "data": { "a": "2" } }));
    t.merge("no finalizer can be added now", &a, left(json!(["example.com/a", "example.com/b", "example.com/c"])));
    t.merge("one goes", &a, left(json!(["example.com/b"])));
    t.post("the name is not free yet", MAPS, map("a"));
    t.merge("the last one goes", &a, left(json!([])));
    t.get("and the object with it", &a);
    t.post("a finalizer needs a domain", MAPS, with(map("b"), "/metadata/finalizers", json!(["nodomain"])));
    t.post("and no spaces", MAPS, with(map("b"), "/metadata/finalizers", json!(["example.com/a b"])));
    t.post(
        "deletion cannot be asked for by create",
        MAPS,
        with(held("c"), "/metadata/deletionTimestamp", json!("2030-01-01T00:00:00Z")),
    );
    t.merge("nor by patch", &at(MAPS, "c"), json!({ "metadata": { "deletionTimestamp": "2030-01-01T00:00:00Z" } }));
    t.put("a put cannot take the mark away", &at(MAPS, "c"), map("c"));
    t.post(
        "a deployment with a finalizer",
        DEPLOYMENTS,
        with(deployment("d"), "/metadata/finalizers", json!(["example.com/a"])),
    );
    t.delete("deletion counts as a wish", &at(DEPLOYMENTS, "d"));
    let bound = with(with(pod("p"), "/spec/nodeName", json!("n")), "/spec/terminationGracePeriodSeconds", json!(60));
    t.post("a pod on a node", PODS, bound);
    t.delete("has its grace period", &at(PODS, "p"));
    t.delete_with("which can be made shorter", &at(PODS, "p"), json!({ "gracePeriodSeconds": 5 }));
    t.delete_with("but not longer", &at(PODS, "p"), json!({ "gracePeriodSeconds": 50 }));
    t.delete_with("without one it goes at once", &at(PODS, "p"), json!({ "gracePeriodSeconds": 0 }));
    t.get("and is gone", &at(PODS, "p"));
    t.post("a pod without a node", PODS, pod("q"));
    t.delete("goes at once", &at(PODS, "q"));
    t.delete_with("a negative grace period", &at(PODS, "q"), json!({ "gracePeriodSeconds": -3 }));
    t.delete_with("an unknown propagation", &at(MAPS, "c"), json!({ "propagationPolicy": "Sideways" }));
    t
}
