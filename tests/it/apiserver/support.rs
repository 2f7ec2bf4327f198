//! A server and short words for tests.

use coalmine::apiserver::{Api, Server};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::{Value, json};

/// A fresh server on the simulated clock.
pub fn server() -> Server {
    Server::new(Clock::simulated(), Seed(1))
}

/// A paused runtime around a test.
pub fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// A Deployment as a person would write it.
pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": "podinfo:6.9.2" }] }
            }
        }
    })
}

/// A config map with one key, owned by the objects with these uids.
pub fn owned(name: &str, owners: &[(&Value, bool)]) -> Value {
    let owners: Vec<_> = owners
        .iter()
        .map(|(owner, blocks)| {
            json!({
                "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "blockOwnerDeletion": blocks
            })
        })
        .collect();
    json!({ "metadata": { "name": name, "ownerReferences": owners }, "data": { "a": "b" } })
}

/// The names of a kind's objects.
pub fn names(api: &Api, resource: &str) -> Vec<String> {
    let list = api.list(resource, None, &coalmine::apiserver::ListOptions::default()).unwrap();
    list.items.iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The documents of a manifest.
pub fn manifest(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let documents: Vec<Value> = serde_saphyr::from_str_multiple_with_options(&text, options).unwrap();
    documents.into_iter().filter(Value::is_object).collect()
}
