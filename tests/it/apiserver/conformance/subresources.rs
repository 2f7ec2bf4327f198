//! `status` and `scale`.

use super::rows::{DEPLOYMENTS, MAPS, PODS, Table, at, deployment, pod};
use serde_json::{Value, json};

pub fn table() -> Table {
    let mut t = Table::new("subresources");
    let web = at(DEPLOYMENTS, "web");
    let scale = at(&web, "scale");
    let wish = |replicas: Value| json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "web", "namespace": "subresources" }, "spec": { "replicas": replicas } });
    t.post("a deployment", DEPLOYMENTS, deployment("web")).keep("web");
    t.get("its scale", &scale);
    t.put("a scale is put", &scale, wish(json!(3)));
    t.put("a negative one is refused", &scale, wish(json!(-3)));
    t.put("one in words is refused", &scale, wish(json!("three")));
    t.merge("a scale is patched", &scale, json!({ "spec": { "replicas": 4 } }));
    t.merge(
        "an old one conflicts",
        &scale,
        json!({ "metadata": { "resourceVersion": "{web.rv}" }, "spec": { "replicas": 5 } }),
    );
    t.delete("a scale cannot be deleted", &scale);
    t.post("nor made", &scale, wish(json!(1)));
    t.get("nothing has no scale", &at(DEPLOYMENTS, "none/scale"));
    t.get("a config map has no scale", &at(MAPS, "none/scale"));
    t.get("a status is the whole object", &at(&web, "status"));
    let condition = |status: &str| json!({ "status": { "conditions": [{ "type": "Available", "status": status, "reason": "R", "message": "m", "lastUpdateTime": "2030-01-01T00:00:00Z", "lastTransitionTime": "2030-01-01T00:00:00Z" }] } });
    t.strategic("a condition", &at(&web, "status"), condition("True"));
    t.strategic("merges by its type", &at(&web, "status"), condition("False"));
    t.merge(
        "replaces the list",
        &at(&web, "status"),
        json!({ "status": { "conditions": [{ "type": "Progressing", "status": "True", "lastUpdateTime": "2030-01-01T00:00:00Z", "lastTransitionTime": "2030-01-01T00:00:00Z" }] } }),
    );
    t.get("there they are", &web);
    t.post("a pod", PODS, pod("p"));
    t.strategic("a pod's conditions", &at(PODS, "p/status"), json!({ "status": { "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }], "conditions": [{ "type": "Ready", "status": "True", "lastProbeTime": "2030-01-01T00:00:00Z", "lastTransitionTime": "2030-01-01T00:00:00Z" }] } }));
    t.get("with its form", &at(PODS, "p")).accept("application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    t.delete("a status cannot be deleted", &at(PODS, "p/status"));
    t.merge("a negative count", &at(&web, "status"), json!({ "status": { "replicas": -1 } }))
        .differs("what controllers write into a status is not checked");
    let untimed = json!({ "status": { "conditions": [{ "type": "Available", "status": "True" }] } });
    t.merge("a condition without its times", &at(&web, "status"), untimed)
        .differs("Go writes times that are missing as null, and whoever wrote the condition owns them");
    t
}
