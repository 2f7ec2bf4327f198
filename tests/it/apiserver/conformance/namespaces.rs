//! The life of a namespace, as far as the API server itself sees to it.

use super::rows::{Table, map, with};
use serde_json::json;

pub fn table() -> Table {
    let mut t = Table::new("namespaces");
    let all = "/api/v1/namespaces";
    let one = "/api/v1/namespaces/short-lived";
    let maps = "/api/v1/namespaces/short-lived/configmaps";
    t.post("a namespace", all, json!({ "metadata": { "name": "short-lived" } }));
    t.post("a name with a dot", all, json!({ "metadata": { "name": "a.b" } }));
    t.post("something that will stay", maps, with(map("a"), "/metadata/finalizers", json!(["e.com/a"])));
    t.merge("labels are", one, json!({ "metadata": { "labels": { "a": "b" } } }));
    t.delete("its deletion begins", one);
    t.post("nothing new in it", maps, map("b"));
    t.apply("not by apply either", &format!("{maps}/b?fieldManager=x"), map("b"));
    t.merge("what is there can change", &format!("{maps}/a"), json!({ "data": { "a": "2" } })).code_only();
    t.delete("its deletion has begun", one).code_only();
    t.delete("namespaces go one by one", all);
    t.delete("one that is not there", "/api/v1/namespaces/none");
    t.delete("one that cannot go", "/api/v1/namespaces/default");
    t.post("another namespace", all, json!({ "metadata": { "name": "other-lived" } }));
    let finalizers = json!({ "spec": { "finalizers": ["e.com/x"] } });
    t.merge("its finalizers are not to be had here", "/api/v1/namespaces/other-lived", finalizers)
        .differs("the real server makes the writer an owner of what it did not change");
    t
}
