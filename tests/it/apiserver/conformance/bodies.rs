//! Bodies that are not what they should be.

use super::rows::{DEPLOYMENTS, MAPS, Table, deployment, map, with};
use serde_json::json;

pub fn table() -> Table {
    let mut t = Table::new("bodies");
    t.post("nothing", MAPS, "").code_only();
    t.post("no JSON", MAPS, "{").code_only();
    t.post("a list", MAPS, "[]").code_only();
    t.post("null", MAPS, "null").code_only();
    t.post("a number", MAPS, "5").code_only();
    t.post("no kind is fine", MAPS, json!({ "metadata": { "name": "plain" } }));
    t.post("another kind", MAPS, with(map("x"), "/kind", json!("Secret"))).code_only();
    t.post("another version", MAPS, with(map("x"), "/apiVersion", json!("v2"))).code_only();
    t.post("an unknown media type", MAPS, map("x")).media("text/plain");
    t.post("YAML", MAPS, "metadata:\n  name: yaml\ndata:\n  a: 'b'\n").media("application/yaml");
    t.post("bad YAML", MAPS, "a: [").media("application/yaml").code_only();
    t.post("an answer nobody can give", MAPS, map("x")).accept("image/png").differs("protobuf is read and not written");
    t.get("an answer as YAML", &format!("{MAPS}/plain")).accept("application/yaml").code_only();
    t.post(
        "a key twice: the last counts, and it is told",
        MAPS,
        r#"{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}"#,
    );
    t.post(
        "or it is refused",
        &format!("{MAPS}?fieldValidation=Strict"),
        r#"{"metadata":{"name":"thrice"},"data":{"a":"1","a":"2"}}"#,
    );
    t.post("unknown fields are told", MAPS, json!({ "metadata": { "name": "odd", "colour": 1 }, "typo": true }));
    t.post(
        "or refused",
        &format!("{MAPS}?fieldValidation=Strict"),
        json!({ "metadata": { "name": "odder", "colour": 1 }, "typo": true }),
    );
    t.post(
        "or passed over",
        &format!("{MAPS}?fieldValidation=Ignore"),
        json!({ "metadata": { "name": "oddest", "colour": 1 }, "typo": true }),
    );
    t.post("no other way", &format!("{MAPS}?fieldValidation=Maybe"), map("x"));
    t.post("keys in capitals are unknown", MAPS, json!({ "metadata": { "name": "caps" }, "Data": { "a": "b" } }));
    t.post("a dry run", &format!("{MAPS}?dryRun=All"), map("dry"));
    t.get("leaves nothing", &format!("{MAPS}/dry"));
    t.post("a dry run of something else", &format!("{MAPS}?dryRun=Some"), map("dry"));
    t.post("a dry run is checked all the same", &format!("{MAPS}?dryRun=All"), map("plain"));
    t.post("1.5 MiB of an object", MAPS, with(map("big"), "/data", json!({ "a": "x".repeat(3 << 19) }))).code_only();
    t.post("a body over the limit", MAPS, with(map("huge"), "/data", json!({ "a": "x".repeat(4 << 20) }))).code_only();
    t.post(
        "more data than a config map holds",
        MAPS,
        with(map("big"), "/data", json!({ "a": "x".repeat((1 << 20) + 1) })),
    );
    t.post("a number beyond 32 bits", DEPLOYMENTS, with(deployment("d"), "/spec/replicas", json!(1_u64 << 40)));
    t.post(
        "a number beyond 64 bits",
        DEPLOYMENTS,
        deployment("d").to_string().replace("\"selector\"", "\"replicas\":99999999999999999999,\"selector\""),
    )
    .code_only();
    t.post("a fraction", DEPLOYMENTS, with(deployment("d"), "/spec/replicas", json!(1.5)));
    t.post(
        "a whole number with a point",
        DEPLOYMENTS,
        deployment("d").to_string().replace("\"selector\"", "\"replicas\":2.0,\"selector\""),
    )
    .code_only();
    t.post("true as text", DEPLOYMENTS, with(deployment("e"), "/spec/paused", json!("true")));
    t.post("deep nesting", MAPS, format!("{{\"metadata\":{}1{}}}", "{\"a\":".repeat(20_000), "}".repeat(20_000)))
        .code_only();
    t.post("a manager with a long name", &format!("{MAPS}?fieldManager={}", "m".repeat(129)), map("x"));
    t
}
