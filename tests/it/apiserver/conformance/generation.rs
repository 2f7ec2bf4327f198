//! `metadata.generation` grows with what is wished, not with what is.

use super::rows::{DEPLOYMENTS, MAPS, PODS, SERVICES, Table, at, deployment, map, pod, with};
use serde_json::json;

pub fn table() -> Table {
    let mut t = Table::new("generation");
    let web = at(DEPLOYMENTS, "web");
    let own = with(with(deployment("web"), "/metadata/generation", json!(7)), "/status", json!({ "replicas": 9 }));
    t.post("it begins with 1 whatever is said, and without a status", DEPLOYMENTS, own);
    t.merge("metadata does not count", &web, json!({ "metadata": { "annotations": { "a": "b" } } }));
    t.merge("the spec does", &web, json!({ "spec": { "replicas": 2 } }));
    t.merge("the same spec does not", &web, json!({ "spec": { "replicas": 2 } }));
    t.merge("the status has no place in the object", &web, json!({ "status": { "replicas": 5 } }));
    t.merge("the status does not count", &(web.clone() + "/status"), json!({ "status": { "observedGeneration": 2 } }));
    t.merge("the spec has no place in the status", &(web.clone() + "/status"), json!({ "spec": { "replicas": 7 } }));
    t.merge(
        "labels beside the status",
        &(web.clone() + "/status"),
        json!({ "metadata": { "labels": { "by": "status" } } }),
    );
    t.merge("it cannot be set", &web, json!({ "metadata": { "generation": 99 } }));
    t.merge("the scale counts", &(web.clone() + "/scale"), json!({ "spec": { "replicas": 4 } }));
    t.get("all of that", &web);
    t.post("a config map has none", MAPS, map("m"));
    t.post("a pod has one", PODS, pod("p"));
    t.merge("it grows with an image", &at(PODS, "p"), json!({ "spec": { "activeDeadlineSeconds": 60 } }));
    t.post(
        "a service has none",
        SERVICES,
        json!({ "metadata": { "name": "s" }, "spec": { "clusterIP": "None", "ports": [{ "port": 1 }] } }),
    );
    t
}
