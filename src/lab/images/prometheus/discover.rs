//! The labels that Prometheus' Kubernetes discovery gives to pods, Services and nodes.

use crate::metrics::Labels;
use crate::metrics::config::Role;
use serde_json::Value;

/// What is scraped of one object, before relabelling.
pub(super) fn discovered(role: Role, object: &Value) -> Vec<Labels> {
    match role {
        Role::Pod => pod(object),
        Role::Service => service(object),
        Role::Node => node(object),
    }
}

/// Labels under way.
#[derive(Clone)]
struct Meta {
    prefix: &'static str,
    labels: Vec<(String, String)>,
}

impl Meta {
    /// Name, labels and annotations of an object.
    fn of(prefix: &'static str, object: &Value) -> Self {
        let metadata = &object["metadata"];
        let mut meta = Self { prefix, labels: Vec::new() };
        meta.add("name", text(&metadata["name"]));
        if let Some(namespace) = metadata["namespace"].as_str() {
            meta.labels.push(("__meta_kubernetes_namespace".to_owned(), namespace.to_owned()));
        }
        for (kind, field) in [("label", "labels"), ("annotation", "annotations")] {
            for (name, value) in metadata[field].as_object().into_iter().flatten() {
                let name = sanitized(name);
                meta.add(&format!("{kind}_{name}"), text(value));
                meta.add(&format!("{kind}present_{name}"), "true");
            }
        }
        meta
    }

    fn add(&mut self, name: &str, value: &str) {
        self.labels.push((format!("__meta_kubernetes_{}_{name}", self.prefix), value.to_owned()));
    }

    fn address(mut self, address: String) -> Labels {
        self.labels.push(("__address__".to_owned(), address));
        Labels::from_pairs(self.labels)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What a label name cannot have becomes an underscore.
fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Each port of each container; the pod's address alone for containers without ports.
fn pod(pod: &Value) -> Vec<Labels> {
    let status = &pod["status"];
    let ip = text(&status["podIP"]);
    if ip.is_empty() {
        return Vec::new();
    }
    let mut meta = Meta::of("pod", pod);
    let ready =
        list(&status["conditions"]).iter().find(|it| it["type"] == "Ready").map_or("unknown", |it| text(&it["status"]));
    for (name, value) in [
        ("ip", ip),
        ("ready", &ready.to_lowercase()),
        ("phase", text(&status["phase"])),
        ("node_name", text(&pod["spec"]["nodeName"])),
        ("host_ip", text(&status["hostIP"])),
        ("uid", text(&pod["metadata"]["uid"])),
    ] {
        meta.add(name, value);
    }
    if let Some(owner) = list(&pod["metadata"]["ownerReferences"]).iter().find(|it| it["controller"] == true) {
        meta.add("controller_kind", text(&owner["kind"]));
        meta.add("controller_name", text(&owner["name"]));
    }
    let kinds = [("containers", "false"), ("initContainers", "true")];
    let containers = kinds.iter().flat_map(|(field, init)| list(&pod["spec"][field]).iter().map(move |it| (it, *init)));
    let mut found = Vec::new();
    for (container, init) in containers {
        let mut meta = meta.clone();
        meta.add("container_name", text(&container["name"]));
        meta.add("container_image", text(&container["image"]));
        meta.add("container_init", init);
        if list(&container["ports"]).is_empty() {
            found.push(meta.clone().address(ip.to_owned()));
        }
        for port in list(&container["ports"]) {
            let mut meta = meta.clone();
            let number = port["containerPort"].to_string();
            meta.add("container_port_number", &number);
            meta.add("container_port_name", text(&port["name"]));
            meta.add("container_port_protocol", port["protocol"].as_str().unwrap_or("TCP"));
            found.push(meta.address(format!("{ip}:{number}")));
        }
    }
    found
}

/// Each port, at the Service's name.
fn service(service: &Value) -> Vec<Labels> {
    let (metadata, spec) = (&service["metadata"], &service["spec"]);
    let host = format!("{}.{}.svc", text(&metadata["name"]), text(&metadata["namespace"]));
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let found = list(&spec["ports"]).iter().map(|port| {
        let mut meta = Meta::of("service", service);
        let number = port["port"].to_string();
        meta.add("type", kind);
        let place =
            if kind == "ExternalName" { ("external_name", "externalName") } else { ("cluster_ip", "clusterIP") };
        meta.add(place.0, text(&spec[place.1]));
        meta.add("port_name", text(&port["name"]));
        meta.add("port_number", &number);
        meta.add("port_protocol", port["protocol"].as_str().unwrap_or("TCP"));
        meta.address(format!("{host}:{number}"))
    });
    found.collect()
}

/// The kubelet of a node.
fn node(node: &Value) -> Vec<Labels> {
    let addresses = list(&node["status"]["addresses"]);
    let Some(address) = addresses.iter().find(|it| it["type"] == "InternalIP") else { return Vec::new() };
    let address = text(&address["address"]);
    let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64().unwrap_or(10_250);
    let mut meta = Meta::of("node", node);
    meta.add("provider_id", text(&node["spec"]["providerID"]));
    for other in addresses {
        meta.add(&format!("address_{}", text(&other["type"])), text(&other["address"]));
    }
    meta.labels.push(("instance".to_owned(), text(&node["metadata"]["name"]).to_owned()));
    vec![meta.address(format!("{address}:{port}"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_has_a_target_per_port() {
        let pod = json!({
            "metadata": {"name": "a", "namespace": "n", "annotations": {"prometheus.io/port": "9"}},
            "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}, {"containerPort": 81, "name": "m"}]},
                {"name": "d"}]},
            "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        let found = discovered(Role::Pod, &pod);
        let addresses: Vec<&str> = found.iter().map(|it| it.get("__address__")).collect();
        assert_eq!(addresses, ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.1"]);
        let second = &found[1];
        for (name, value) in [
            ("__meta_kubernetes_namespace", "n"),
            ("__meta_kubernetes_pod_annotation_prometheus_io_port", "9"),
            ("__meta_kubernetes_pod_container_port_name", "m"),
            ("__meta_kubernetes_pod_container_init", "false"),
            ("__meta_kubernetes_pod_ready", "true"),
        ] {
            assert_eq!(second.get(name), value, "{name}");
        }
        assert!(discovered(Role::Pod, &json!({"metadata": {"name": "a"}})).is_empty(), "no address yet");
    }

    #[test]
    fn a_service_has_a_target_per_port_at_its_name() {
        let service = json!({"metadata": {"name": "s", "namespace": "n"}, "spec": {"ports": [{"port": 80}]}});
        assert_eq!(discovered(Role::Service, &service)[0].get("__address__"), "s.n.svc:80");
    }
}
