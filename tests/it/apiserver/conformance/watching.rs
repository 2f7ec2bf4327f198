//! Watches, each for one second.

use super::rows::{MAPS, Table, at, labelled, map};
use serde_json::json;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub fn table() -> Table {
    let mut t = Table::new("watching");
    let q = |query: &str| format!("{MAPS}?watch=true&timeoutSeconds=1&{query}");
    t.get("the beginning", MAPS).keep("before");
    t.post("one appears", MAPS, labelled("a", json!({ "on": "yes" })));
    t.post("another", MAPS, labelled("b", json!({ "on": "no" })));
    t.merge("one leaves a selection", &at(MAPS, "a"), json!({ "metadata": { "labels": { "on": "no" } } }));
    t.merge("one enters it", &at(MAPS, "b"), json!({ "metadata": { "labels": { "on": "yes" } } }));
    t.merge("and changes in it", &at(MAPS, "b"), json!({ "data": { "a": "2" } }));
    t.delete("one goes", &at(MAPS, "a")).keep("gone");
    t.get("everything since the beginning", &q("resourceVersion={before.rv}"));
    t.get("what is there", &q(""));
    t.get("what is there, of any version", &q("resourceVersion=0"));
    t.get("a selection", &q("resourceVersion={before.rv}&labelSelector=on%3Dyes"));
    t.get("one by name", &q("resourceVersion={before.rv}&fieldSelector=metadata.name%3Db"));
    t.get("one at its own address", &(at(MAPS, "b") + "?watch=true&timeoutSeconds=1&resourceVersion={before.rv}"));
    t.get("as tables", &q("resourceVersion={before.rv}")).accept(TABLE);
    t.get("a streaming list", &q("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")).differs("ours ends with a bookmark; the real server sends its last one two seconds before the end, if it lasts so long");
    t.get("needs its match", &q("sendInitialEvents=true"));
    t.get("a match alone", &q("resourceVersionMatch=NotOlderThan"));
    t.get("an exact match", &q("sendInitialEvents=true&resourceVersionMatch=Exact"));
    t.get(
        "a streaming list without its list",
        &q("sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion={gone.rv}"),
    )
    .code_only();
    t.get("too old a version", &q("resourceVersion=1"));
    t.get("a version that is no number", &q("resourceVersion=new"));
    t.get("with pages", &q("limit=1&resourceVersion={before.rv}"));
    t.get(
        "the old address",
        "/api/v1/watch/namespaces/{ns}/configmaps?timeoutSeconds=1&watch=true&resourceVersion={before.rv}",
    );
    t.get("a selector that is none", &q("labelSelector=a%20b"));
    t.post("a last one", MAPS, map("c"));
    t
}
