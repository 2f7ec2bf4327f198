//! Owner references, as far as the API server itself sees to them (`tests/it/apiserver/garbage.rs` has what collection does).

use super::rows::{DEPLOYMENTS, MAPS, Table, at, deployment, map, with};
use serde_json::{Value, json};

pub fn table() -> Table {
    let mut t = Table::new("owners");
    let owned = |name: &str, owners: Value| with(map(name), "/metadata/ownerReferences", owners);
    let owner = |more: Value| {
        let mut owner = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "{web.uid}" });
        owner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        owner
    };
    t.post("an owner", DEPLOYMENTS, deployment("web")).keep("web");
    t.post("a dependent", MAPS, owned("a", json!([owner(json!({ "controller": true, "blockOwnerDeletion": true }))])));
    t.post("an owner needs its uid", MAPS, owned("b", json!([owner(json!({ "uid": "" }))])));
    t.post("and its kind", MAPS, owned("b", json!([owner(json!({ "kind": "" }))])));
    t.post("and its version", MAPS, owned("b", json!([owner(json!({ "apiVersion": "" }))])));
    let two = json!([
        owner(json!({ "controller": true })),
        owner(json!({ "controller": true, "uid": "22222222-2222-2222-2222-222222222222" }))
    ]);
    t.post("only one controls", MAPS, owned("b", two));
    t.merge("references can be taken away", &at(MAPS, "a"), json!({ "metadata": { "ownerReferences": null } }));
    t.strategic("and merge by uid", &at(MAPS, "a"), json!({ "metadata": { "ownerReferences": [owner(json!({}))] } }));
    t.strategic(
        "the same again changes nothing",
        &at(MAPS, "a"),
        json!({ "metadata": { "ownerReferences": [owner(json!({ "controller": false }))] } }),
    );
    t
}
