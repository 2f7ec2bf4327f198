//! Names, labels and what else metadata may say.

use super::rows::{MAPS, PODS, SERVICES, Table, map, pod, with};
use serde_json::{Value, json};

pub fn table() -> Table {
    let mut t = Table::new("names");
    let named = |name: &str| map(name);
    let meta = |key: &str, value: Value| with(map("m"), &format!("/metadata/{key}"), value);
    t.post("a name is made", MAPS, json!({ "metadata": { "generateName": "made-" } }));
    t.post(
        "a name counts more than its beginning",
        MAPS,
        json!({ "metadata": { "name": "own", "generateName": "made-" } }),
    )
    .code_only();
    t.post("a made name must be one", MAPS, json!({ "metadata": { "generateName": "Made_" } })).code_only();
    t.post("no name at all", MAPS, json!({ "metadata": {} }));
    t.post("capitals", MAPS, named("Upper"));
    t.post("a slash", MAPS, named("a/b"));
    t.post("two dots", MAPS, named(".."));
    t.post("too long", MAPS, named(&"n".repeat(254)));
    t.post("dots are fine", MAPS, named("a.b-c.1"));
    t.post(
        "a service is a label of DNS",
        SERVICES,
        json!({ "metadata": { "name": "1a" }, "spec": { "ports": [{ "port": 80 }] } }),
    );
    t.post("a pod's name is a host name", PODS, with(pod("p"), "/metadata/name", json!("P")));
    // One fault each: the real server goes through a map in a random order.
    t.post("labels have a form", MAPS, meta("labels", json!({ "a b": "c" })));
    t.post("and so have their values", MAPS, meta("labels", json!({ "ok": "with space" })));
    t.post("and a length", MAPS, meta("labels", json!({ "a": "v".repeat(64) })));
    t.post("with a prefix", MAPS, meta("labels", json!({ "Bad_Prefix/x": "1" })));
    t.post("annotations have a form", MAPS, meta("annotations", json!({ "a b": "anything goes" })));
    t.post("and a size", MAPS, meta("annotations", json!({ "a": "v".repeat(262_145) })));
    t.post("a label must be a text", MAPS, meta("labels", json!({ "a": 1 })));
    t.post("labels must be a map", MAPS, meta("labels", json!(["a"])));
    t.post("another namespace than the path's", MAPS, meta("namespace", json!("other")));
    t.post("keys of data", MAPS, with(map("m"), "/data", json!({ "a/b": "1" })));
    t.post("the same key twice", MAPS, with(map("m"), "/binaryData", json!({ "a": "AA==" })));
    t.post("immutable", MAPS, with(map("fixed"), "/immutable", json!(true)));
    t.merge("stays so", &format!("{MAPS}/fixed"), json!({ "data": { "a": "2" } }));
    t.merge("for ever", &format!("{MAPS}/fixed"), json!({ "immutable": false }));
    t
}
