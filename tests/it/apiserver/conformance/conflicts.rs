//! The optimistic lock: who names a version means that one.

use super::rows::{MAPS, Table, at, map, with};
use serde_json::json;

pub fn table() -> Table {
    let mut t = Table::new("conflicts");
    let a = at(MAPS, "a");
    let version = |it: &str| with(map("a"), "/metadata/resourceVersion", json!(it));
    t.post("a config map", MAPS, map("a")).keep("first");
    t.merge("it changes", &a, json!({ "data": { "a": "2" } })).keep("second");
    t.put("a put of the old version conflicts", &a, version("{first.rv}"));
    t.put("a put of the new one does not", &a, version("{second.rv}")).keep("third");
    t.put("a put without a version always wins", &a, map("a"));
    let labels = json!({ "resourceVersion": "{first.rv}", "labels": { "x": "y" } });
    t.merge("a merge patch with the old version conflicts", &a, json!({ "metadata": labels }));
    t.strategic("a strategic patch too", &a, json!({ "metadata": labels }));
    let test = json!([{ "op": "replace", "path": "/metadata/resourceVersion", "value": "{first.rv}" }, { "op": "add", "path": "/data/b", "value": "1" }]);
    t.json_patch("a JSON patch too", &a, test);
    t.apply("an apply too", &(a.clone() + "?fieldManager=ann"), version("{first.rv}"));
    t.put(
        "the uid of another object conflicts",
        &a,
        with(map("a"), "/metadata/uid", json!("11111111-1111-1111-1111-111111111111")),
    );
    t.merge(
        "a patch with another uid too",
        &a,
        json!({ "metadata": { "uid": "11111111-1111-1111-1111-111111111111" } }),
    );
    t.put("a version that is no number", &a, version("new"));
    t.delete_with(
        "a delete of the old version conflicts",
        &a,
        json!({ "preconditions": { "resourceVersion": "{first.rv}" } }),
    );
    t.delete_with(
        "a delete with another uid too",
        &a,
        json!({ "preconditions": { "uid": "11111111-1111-1111-1111-111111111111" } }),
    );
    t.merge("a patch that changes nothing", &a, json!({ "data": { "a": "1" } })).keep("same");
    t.delete_with(
        "what is meant is deleted",
        &a,
        json!({ "preconditions": { "resourceVersion": "{same.rv}", "uid": "{first.uid}" } }),
    );
    t.delete("and cannot be deleted again", &a);
    t.post("a version has no place in a create", MAPS, version("{first.rv}"));
    t.put("a put does not create", &at(MAPS, "b"), map("b"));
    t
}
