//! Server-side apply: who owns what, and what becomes of it.

use super::rows::{DEPLOYMENTS, MAPS, PODS, SERVICES, Table, at, map, with};
use serde_json::{Value, json};

fn data(data: Value) -> Value {
    with(map("a"), "/data", data)
}

pub fn table() -> Table {
    let mut t = Table::new("applies");
    let a = at(MAPS, "a");
    let by = |manager: &str| format!("{a}?fieldManager={manager}");
    t.apply("apply creates", &by("ann"), data(json!({ "x": "1", "y": "1" })));
    t.apply("the same again changes nothing", &by("ann"), data(json!({ "x": "1", "y": "1" })));
    t.apply("another value of another's field conflicts", &by("bob"), data(json!({ "x": "2", "y": "2" })));
    t.apply("the same value is shared", &by("bob"), data(json!({ "x": "1", "z": "1" })));
    t.apply("what is shared cannot be changed either", &by("ann"), data(json!({ "x": "3", "y": "1" })));
    t.apply("what one drops stays with the other", &by("ann"), data(json!({ "y": "1" })));
    t.apply("what nobody wants any more goes", &by("bob"), data(json!({ "z": "1" })));
    t.apply("force takes over", &(by("bob") + "&force=true"), data(json!({ "y": "2", "z": "1" })));
    t.merge(
        "an update takes ownership without asking",
        &(a.clone() + "?fieldManager=cat"),
        json!({ "data": { "z": "5" } }),
    );
    t.apply("which the applier notices", &by("bob"), data(json!({ "y": "2", "z": "1" })));
    t.apply("a dry run says the same", &(by("bob") + "&force=true&dryRun=All"), data(json!({ "y": "2", "z": "1" })));
    t.get("and leaves it as it was", &a);
    t.apply("an apply needs a manager", &a, data(json!({})));
    t.apply(
        "managedFields have no place in it",
        &by("ann"),
        with(map("a"), "/metadata/managedFields", json!([{ "manager": "x" }])),
    );
    t.apply("the kind must be said", &by("ann"), json!({ "metadata": { "name": "a" } }));
    t.apply("and the name must be that of the path", &by("ann"), map("other"));
    t.apply("another kind is refused", &by("ann"), with(map("a"), "/kind", json!("Secret")));
    t.apply("force is for apply only", &(a.clone() + "?fieldManager=ann&force=true"), "a: [").code_only();
    t.merge("a merge patch with force", &(a.clone() + "?force=true"), json!({}));
    t.apply("YAML will do", &by("dan"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  yaml: 'yes'\n");
    t.merge("managedFields can be cleared", &a, json!({ "metadata": { "managedFields": [{}] } }));
    t.get("and are", &a);
    t.apply("an apply on what was not applied before", &by("eve"), data(json!({ "y": "2" })));
    t.apply("a subresource that is not there", &(a.clone() + "/status?fieldManager=ann"), map("a"));
    let long = "m".repeat(200);
    t.apply("a manager with a long name", &by(&long), map("a"));
    t
}

/// Lists as sets, as maps and as one thing.
pub fn lists() -> Table {
    let mut t = Table::new("applied-lists");
    let web = at(DEPLOYMENTS, "web");
    let by = |manager: &str| format!("{web}?fieldManager={manager}");
    let containers = |containers: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": {
                "metadata": { "labels": { "app": "web" } }, "spec": { "containers": containers }
            } }
        })
    };
    let only = |spec: Value| json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": spec });
    t.apply(
        "a deployment",
        &by("ann"),
        containers(json!([{ "name": "a", "image": "i:1", "ports": [{ "containerPort": 80 }] }])),
    );
    t.apply(
        "another's container beside it",
        &by("bob"),
        only(json!({ "template": { "spec": { "containers": [{ "name": "b", "image": "i:2" }] } } })),
    );
    t.apply("another's port in the same container", &by("cat"), only(json!({ "template": { "spec": { "containers": [{ "name": "a", "ports": [{ "containerPort": 81, "protocol": "TCP" }] }] } } })));
    t.apply(
        "its image conflicts",
        &by("cat"),
        only(json!({ "template": { "spec": { "containers": [{ "name": "a", "image": "i:3" }] } } })),
    );
    t.apply(
        "an item without its key",
        &by("cat"),
        only(json!({ "template": { "spec": { "containers": [{ "image": "i:3" }] } } })),
    )
    .code_only();
    t.apply("the same item twice", &by("cat"), only(json!({ "template": { "spec": { "containers": [{ "name": "c", "image": "i" }, { "name": "c", "image": "i" }] } } }))).code_only();
    t.apply("bob's container goes when he drops it", &by("bob"), only(json!({ "replicas": 2 })));
    t.apply(
        "an atomic map is one field",
        &by("dan"),
        only(json!({ "selector": { "matchLabels": { "app": "web", "more": "no" } } })),
    );
    t.apply("replicas beside the scale", &by("dan"), only(json!({ "replicas": 2 })));
    t.merge("the scale takes them", &(web.clone() + "/scale?fieldManager=hpa"), json!({ "spec": { "replicas": 3 } }));
    t.apply("so that they conflict", &by("dan"), only(json!({ "replicas": 2 })));
    t.apply(
        "a status is applied to its subresource",
        &(web.clone() + "/status?fieldManager=ctl"),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "status": { "conditions": [{ "type": "Available", "status": "True" }] }
        }),
    );
    t.apply(
        "another's condition beside it",
        &(web.clone() + "/status?fieldManager=other"),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "status": { "conditions": [{ "type": "Progressing", "status": "True" }] }
        }),
    );
    t.get("all of that", &web);
    let finalizers = |names: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "s", "finalizers": names } });
    let s = at(MAPS, "s");
    t.apply("a set", &(s.clone() + "?fieldManager=ann"), finalizers(json!(["e.com/a", "e.com/b"])));
    t.apply("another's member", &(s.clone() + "?fieldManager=bob"), finalizers(json!(["e.com/b", "e.com/c"])));
    t.apply("ann's alone goes, what is shared stays", &(s.clone() + "?fieldManager=ann"), finalizers(json!([])));
    let ports = |ports: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": { "ports": ports } });
    let service = at(SERVICES, "s");
    t.apply(
        "a list whose key has a default",
        &(service.clone() + "?fieldManager=ann"),
        ports(json!([{ "name": "a", "port": 80 }])),
    );
    t.apply(
        "merges by both keys",
        &(service + "?fieldManager=bob"),
        ports(json!([{ "name": "u", "port": 80, "protocol": "UDP" }])),
    );
    let args = |args: Value| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i", "args": args }] } });
    let p = at(PODS, "p");
    t.apply("a pod", &(p.clone() + "?fieldManager=ann"), args(json!(["a", "b"])));
    t.apply("an atomic list is one field", &(p + "?fieldManager=bob"), args(json!(["a"])));
    t
}
