//! What the server fills in, kind by kind, as the real one does.

mod network;
mod pod;
mod workload;

use super::kinds::resource as r;
use serde_json::{Map, Value};

/// A field's map if it is an object.
fn object<'a>(parent: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    parent.get_mut(key)?.as_object_mut()
}

/// A field's map, made if it is missing.
fn object_or_new<'a>(parent: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    parent.entry(key.to_owned()).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// The objects in a field's list.
fn each<'a>(parent: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    parent.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Sets a field that is missing.
fn absent(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), value.into());
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What the admission plugins of the real server fill in.
pub fn admit(resource: &str, object: &mut Value) {
    if let (r::PODS, Some(root)) = (resource, object.as_object_mut()) {
        pod::admit(root);
    }
}

/// Fills in what a built-in kind leaves open. Custom kinds have the defaults of their schema instead.
pub fn apply(resource: &str, object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    match resource {
        r::PODS => pod::pod(root),
        r::DEPLOYMENTS => workload::deployment(root),
        r::REPLICA_SETS => workload::replica_set(root),
        r::REPLICATION_CONTROLLERS => workload::replication_controller(root),
        r::DAEMON_SETS => workload::daemon_set(root),
        r::STATEFUL_SETS => workload::stateful_set(root),
        r::JOBS => workload::job(root),
        r::CRON_JOBS => workload::cron_job(root),
        r::HORIZONTAL_POD_AUTOSCALERS => workload::autoscaler(root),
        "podtemplates" => pod::template(root),
        r::NAMESPACES => network::namespace(root),
        r::SERVICES => network::service(root),
        r::INGRESSES => network::ingress(root),
        r::ENDPOINTS | r::ENDPOINT_SLICES => network::endpoints(root),
        "networkpolicies.networking.k8s.io" => network::network_policy(root),
        r::SECRETS => network::secret(root),
        r::EVENTS => network::event(root),
        r::STORAGE_CLASSES => network::storage_class(root),
        r::PERSISTENT_VOLUMES => network::volume(root),
        r::PRIORITY_CLASSES => absent(root, "preemptionPolicy", "PreemptLowerPriority"),
        r::NODES => network::node(root),
        "persistentvolumeclaims" => network::claim(root),
        _ => {}
    }
}

/// The status that a new object of a built-in kind starts with.
pub fn initial_status(resource: &str, object: &Value) -> Option<Value> {
    use serde_json::json;
    Some(match resource {
        r::NAMESPACES => json!({ "phase": "Active" }),
        r::PODS => json!({ "phase": "Pending", "qosClass": pod::quality_of_service(object) }),
        r::SERVICES | r::INGRESSES => json!({ "loadBalancer": {} }),
        r::REPLICA_SETS | "replicationcontrollers" => json!({ "replicas": 0 }),
        r::STATEFUL_SETS => json!({ "replicas": 0, "availableReplicas": 0 }),
        r::DAEMON_SETS => json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0
        }),
        r::HORIZONTAL_POD_AUTOSCALERS => json!({ "desiredReplicas": 0, "currentMetrics": null }),
        r::POD_DISRUPTION_BUDGETS => json!({
            "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0
        }),
        "persistentvolumeclaims" | "persistentvolumes" => json!({ "phase": "Pending" }),
        r::DEPLOYMENTS | r::JOBS | r::CRON_JOBS | "resourcequotas" => json!({}),
        _ => return None,
    })
}
