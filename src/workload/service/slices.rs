//! From a Service and its pods to endpoints. Pure.

use super::view::{Endpoint, PortEndpoints};
use crate::workload::json::{flag, is_active, is_deleting, is_finished, is_ready, list, name, text, texts, uid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Endpoints in one slice (`--max-endpoints-per-slice`).
pub(super) const MAX_ENDPOINTS: usize = 100;

/// A Service's endpoints in all three forms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    /// `ports` and `endpoints` of each slice; at least one slice.
    pub(super) slices: Vec<(Value, Vec<Value>)>,
    /// `subsets` of the Endpoints object.
    pub(super) subsets: Vec<Value>,
    /// The data plane's view.
    pub(super) ports: Vec<PortEndpoints>,
}

/// Whether a Service's endpoints come from its pods.
pub(super) fn has_pods(service: &Value) -> bool {
    text(service, "/spec/type") != "ExternalName" && !texts(service, "/spec/selector").is_empty()
}

/// Whether the Service selects a pod with these labels.
pub(super) fn takes(service: &Value, labels: &Value) -> bool {
    has_pods(service) && texts(service, "/spec/selector").iter().all(|(key, value)| labels[key] == *value)
}

/// `pods` are all of the namespace.
pub(super) fn make(service: &Value, pods: &[Arc<Value>]) -> Made {
    let tolerant = flag(service, "/spec/publishNotReadyAddresses");
    let placed = |pod: &&Arc<Value>| {
        takes(service, &pod["metadata"]["labels"]) && !text(pod, "/status/podIP").is_empty() && !is_finished(pod)
    };
    let mut pods: Vec<&Arc<Value>> = pods.iter().filter(placed).collect();
    pods.sort_by(|a, b| name(a).cmp(name(b)));
    // Pods whose containers give one name to different ports stand in slices of their own.
    let mut groups: BTreeMap<Vec<Option<u16>>, Vec<&Arc<Value>>> = BTreeMap::new();
    for pod in &pods {
        let ports = list(service, "/spec/ports").iter().map(|port| target_port(port, pod)).collect();
        groups.entry(ports).or_default().push(pod);
    }
    let mut slices = Vec::new();
    let mut subsets = Vec::new();
    for (ports, pods) in &groups {
        let ports = resolved(service, ports);
        for chunk in pods.chunks(MAX_ENDPOINTS) {
            slices.push((ports.clone(), chunk.iter().map(|pod| slice_endpoint(pod, tolerant)).collect()));
        }
        subsets.extend(subset(&ports, pods, tolerant));
    }
    if slices.is_empty() {
        slices.push((json!([]), Vec::new()));
    }
    Made { slices, subsets, ports: view(service, &pods, tolerant) }
}

fn target_port(port: &Value, pod: &Value) -> Option<u16> {
    let target = port.get("targetPort").filter(|it| !it.is_null()).unwrap_or(&port["port"]);
    if let Some(number) = target.as_u64() {
        return u16::try_from(number).ok();
    }
    let containers = list(pod, "/spec/containers").iter();
    containers.flat_map(|it| list(it, "/ports")).find(|it| it["name"] == *target).and_then(|it| {
        let number = it["containerPort"].as_u64()?;
        u16::try_from(number).ok()
    })
}

fn resolved(service: &Value, numbers: &[Option<u16>]) -> Value {
    let ports = list(service, "/spec/ports").iter().zip(numbers);
    let made = ports.filter_map(|(port, number)| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let mut made = json!({ "name": text(port, "/name"), "port": (*number)?, "protocol": protocol });
        if let Some(app) = port.get("appProtocol").filter(|it| it.is_string()) {
            made["appProtocol"] = app.clone();
        }
        Some(made)
    });
    made.collect()
}

fn counts_as_ready(pod: &Value, tolerant: bool) -> bool {
    tolerant || (is_ready(pod) && !is_deleting(pod))
}

fn target_ref(pod: &Value) -> Value {
    json!({ "kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": name(pod), "uid": uid(pod) })
}

fn slice_endpoint(pod: &Value, tolerant: bool) -> Value {
    json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {
            "ready": counts_as_ready(pod, tolerant),
            "serving": is_ready(pod),
            "terminating": is_deleting(pod),
        },
        "nodeName": text(pod, "/spec/nodeName"),
        "targetRef": target_ref(pod),
    })
}

fn subset(ports: &Value, pods: &[&Arc<Value>], tolerant: bool) -> Option<Value> {
    let address = |pod: &&Arc<Value>| {
        json!({
            "ip": text(pod, "/status/podIP"),
            "nodeName": text(pod, "/spec/nodeName"),
            "targetRef": target_ref(pod),
        })
    };
    let present = || pods.iter().copied().filter(|it| tolerant || is_active(it));
    let ready: Vec<Value> = present().filter(|it| counts_as_ready(it, tolerant)).map(|it| address(&it)).collect();
    let not_ready: Vec<Value> = present().filter(|it| !counts_as_ready(it, tolerant)).map(|it| address(&it)).collect();
    let mut subset = json!({ "ports": ports });
    for (field, addresses) in [("addresses", &ready), ("notReadyAddresses", &not_ready)] {
        if !addresses.is_empty() {
            subset[field] = json!(addresses);
        }
    }
    (!ready.is_empty() || !not_ready.is_empty()).then_some(subset)
}

fn view(service: &Value, pods: &[&Arc<Value>], tolerant: bool) -> Vec<PortEndpoints> {
    let of_port = |port: &Value| {
        let endpoint = |pod: &&Arc<Value>| {
            let port = target_port(port, pod)?;
            Some(Endpoint { pod: name(pod).to_owned(), ip: text(pod, "/status/podIP").to_owned(), port })
        };
        let ready: Vec<Endpoint> =
            pods.iter().copied().filter(|it| counts_as_ready(it, tolerant)).filter_map(|it| endpoint(&it)).collect();
        Some(PortEndpoints {
            name: text(port, "/name").to_owned(),
            port: u16::try_from(port["port"].as_u64()?).ok()?,
            ready: ready.into(),
        })
    };
    list(service, "/spec/ports").iter().filter_map(of_port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(target: &Value) -> Value {
        json!({"spec": {"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80, "targetPort": target}]}})
    }

    fn pod(name: &str, port: u16, ready: &str) -> Arc<Value> {
        Arc::new(json!({
            "metadata": {"name": name, "namespace": "test", "uid": name, "labels": {"app": "x", "more": "y"}},
            "spec": {"nodeName": "coalmine", "containers": [{"ports": [{"name": "web", "containerPort": port}]}]},
            "status": {"podIP": format!("10.244.0.{port}"), "conditions": [{"type": "Ready", "status": ready}]},
        }))
    }

    fn going(pod: &Arc<Value>) -> Arc<Value> {
        let mut pod = (**pod).clone();
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        Arc::new(pod)
    }

    #[test]
    fn ready_pods_are_endpoints_in_the_order_of_their_names() {
        let pods = [pod("b", 90, "True"), pod("a", 90, "True"), pod("c", 90, "False")];
        let made = make(&service(&json!("web")), &pods);
        let names: Vec<&str> = made.ports[0].ready.iter().map(|it| it.pod.as_str()).collect();
        assert_eq!((names, made.ports[0].ready[0].port, made.ports[0].port), (vec!["a", "b"], 90, 80));
        let [(ports, endpoints)] = &made.slices[..] else { panic!("one slice: {:?}", made.slices) };
        assert_eq!(*ports, json!([{"name": "http", "port": 90, "protocol": "TCP"}]));
        let ready: Vec<bool> = endpoints.iter().map(|it| it["conditions"]["ready"] == true).collect();
        assert_eq!(ready, [true, true, false]);
        assert_eq!(made.subsets[0]["notReadyAddresses"][0]["targetRef"]["name"], "c");
    }

    #[test]
    fn a_pod_on_its_way_out_serves_and_is_not_ready() {
        let made = make(&service(&json!(9898)), &[going(&pod("a", 90, "True"))]);
        assert_eq!(made.slices[0].1[0]["conditions"], json!({"ready": false, "serving": true, "terminating": true}));
        assert!(made.ports[0].ready.is_empty() && made.subsets.is_empty(), "{made:?}");
    }

    #[test]
    fn one_name_for_different_ports_makes_different_slices() {
        let made = make(&service(&json!("web")), &[pod("a", 90, "True"), pod("b", 91, "True")]);
        let ports: Vec<&Value> = made.slices.iter().map(|(ports, _)| &ports[0]["port"]).collect();
        assert_eq!(ports, [&json!(90), &json!(91)]);
        assert_eq!(made.ports[0].ready.len(), 2);
    }

    #[test]
    fn without_pods_there_is_one_empty_slice_and_without_selector_none_is_taken() {
        let made = make(&service(&json!("web")), &[]);
        assert_eq!((made.slices.len(), made.slices[0].1.len(), made.ports.len()), (1, 0, 1));
        assert!(!takes(&json!({"spec": {"selector": {}}}), &json!({"app": "x"})));
        assert!(!takes(&json!({"spec": {"type": "ExternalName", "selector": {"app": "x"}}}), &json!({"app": "x"})));
    }

    #[test]
    fn a_slice_holds_a_hundred_endpoints() {
        let pods: Vec<_> = (0..250).map(|it| pod(&format!("p{it:03}"), 90, "True")).collect();
        let sizes: Vec<usize> = make(&service(&json!(90)), &pods).slices.iter().map(|it| it.1.len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }
}
