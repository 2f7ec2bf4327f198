//! The built-in kinds: defaults, and what is refused.

use super::rows::{DEPLOYMENTS, MERGE, SERVICES, Table, at, deployment, with};
use serde_json::{Value, json};

pub fn workloads() -> Table {
    let mut t = Table::new("workloads");
    let web = at(DEPLOYMENTS, "web");
    let bad = |pointer: &str, value: Value| with(deployment("bad"), pointer, value);
    let apply = |replicas: i64| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "replicas": replicas } });
    t.post("a deployment gets its defaults", DEPLOYMENTS, deployment("web"));
    t.post("a second one of the name is refused", DEPLOYMENTS, deployment("web"));
    let env = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "main", "env": [{ "name": "A", "value": "1" }], "ports": [{ "containerPort": 80 }],
          "readinessProbe": { "httpGet": { "port": 80 } }, "resources": { "requests": { "cpu": "0.5", "memory": "1024Mi" } } }
    ] } } } });
    t.strategic("a strategic patch merges the container by its name", &web, env);
    t.merge("labels and replicas", &web, json!({ "metadata": { "labels": { "x": "y" } }, "spec": { "replicas": 3 } }));
    t.apply("what another manager set conflicts", &(web.clone() + "?fieldManager=ann"), apply(5));
    t.apply("force takes it over", &(web.clone() + "?fieldManager=ann&force=true"), apply(5));
    t.apply("and then it is that manager's", &(web.clone() + "?fieldManager=bob"), apply(6));
    t.merge("its scale", &(web.clone() + "/scale"), json!({ "spec": { "replicas": 2 } }));
    t.merge("its status", &(web.clone() + "/status"), json!({ "status": { "replicas": 2, "readyReplicas": 1 } }));
    let owner = json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [{
        "manager": "other", "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": { "f:spec": { "f:replicas": {} } }
    }] }]);
    let nobody = |entries: Value| json!({ "metadata": { "managedFields": entries, "labels": { "x": "z" } } });
    t.json_patch("a client may write who owns what", &web, owner);
    t.merge("or that nobody does", &web, nobody(json!([])));
    t.apply("which ends with the next apply", &(web.clone() + "?fieldManager=bob&force=true"), apply(3));
    t.merge("or that nobody does, in the other way", &web, nobody(json!([{}])));
    t.merge("an update does not end it", &web, json!({ "metadata": { "labels": { "x": "w" } } }));
    t.get("all of that is there", &web);
    let selector = json!({ "spec": { "selector": { "matchLabels": { "app": "other" } } } });
    t.merge("the selector cannot change", &web, selector);
    t.put("nor the name", &web, bad("/metadata/name", json!("other")));
    t.merge("what is not there cannot be patched", &at(DEPLOYMENTS, "none"), json!({}));
    t.post("a name with an underscore", DEPLOYMENTS, bad("/metadata/name", json!("B_d")));
    t.post("negative replicas", DEPLOYMENTS, bad("/spec/replicas", json!(-1)));
    t.post("replicas in words", DEPLOYMENTS, bad("/spec/replicas", json!("two")));
    let labels = "/spec/template/metadata/labels";
    t.post("a selector that does not match", DEPLOYMENTS, bad(labels, json!({ "a": "b" })));
    t.post("no containers", DEPLOYMENTS, bad("/spec/template/spec/containers", json!([])));
    t.delete("it is deleted", &web);
    t.get("and gone", &web);
    t
}

pub fn others() -> Table {
    let mut t = Table::new("others");
    let ingresses = "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses";
    let scalers = "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers";
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "s", "port": { "number": 80 } } } });
    let rule = |path: Value| json!({ "rules": [{ "host": "a.b", "http": { "paths": [path] } }] });
    let mut untyped = path.clone();
    untyped.as_object_mut().unwrap().remove("pathType");
    let named = |name: &str, spec: Value| json!({ "metadata": { "name": name }, "spec": spec });
    let target = json!({ "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" });
    t.post("a service", SERVICES, named("s", json!({ "selector": { "a": "b" }, "ports": [{ "port": 80 }] })));
    let port = json!({ "spec": { "ports": [{ "port": 81, "name": "b" }] } });
    t.strategic("a second port needs names for both", &at(SERVICES, "s"), port);
    t.post("a port must be one", SERVICES, named("t", json!({ "ports": [{ "port": 0 }] })));
    t.merge("its address cannot change", &at(SERVICES, "s"), json!({ "spec": { "clusterIP": "10.96.7.7" } }));
    t.post("an ingress", ingresses, named("i", rule(path)));
    t.post("a path needs its type", ingresses, named("j", rule(untyped)));
    t.post("an autoscaler", scalers, named("h", json!({ "scaleTargetRef": target, "maxReplicas": 3 })));
    t.post("which needs a maximum", scalers, named("g", json!({ "scaleTargetRef": target, "maxReplicas": 0 })));
    t.post("a namespace", "/api/v1/namespaces", json!({ "metadata": { "name": "fresh" } }));
    t.post(
        "nothing without its namespace",
        "/api/v1/namespaces/nope/configmaps",
        json!({ "metadata": { "name": "x" } }),
    );
    t.get("an unknown kind", "/api/v1/foos");
    t.get("an unknown group", "/apis/no/v1/foos");
    t.get("an unknown version", "/apis/apps/v9/deployments");
    t.get("an unknown subresource", &at(DEPLOYMENTS, "x/foo"));
    t.put("a method that is not there", DEPLOYMENTS, "{}");
    t.ask("a patch of all", ("PATCH", DEPLOYMENTS), MERGE);
    t.post(
        "a secret with words",
        "/api/v1/namespaces/{ns}/secrets",
        json!({ "metadata": { "name": "s" }, "stringData": { "a": "b" } }),
    );
    t.post(
        "a job without a restart policy",
        "/apis/batch/v1/namespaces/{ns}/jobs",
        named(
            "j",
            json!({
                "template": { "spec": { "containers": [{ "name": "c", "image": "i" }] } }
            }),
        ),
    );
    t
}
