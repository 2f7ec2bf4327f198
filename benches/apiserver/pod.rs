//! The objects that are written.

use serde_json::{Value, json};

/// A pod as a ReplicaSet makes it for an ordinary web service.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "default",
            "labels": { "app": "podinfo", "app.kubernetes.io/name": "podinfo", "pod-template-hash": "7c6f8d4b9d" },
            "annotations": { "prometheus.io/scrape": "true", "prometheus.io/port": "9797" }
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{
                "name": "podinfod", "image": "ghcr.io/stefanprodan/podinfo:6.9.2", "imagePullPolicy": "IfNotPresent",
                "command": ["./podinfo", "--port=9898", "--port-metrics=9797", "--level=info", "--random-delay=false"],
                "ports": [
                    { "name": "http", "containerPort": 9898, "protocol": "TCP" },
                    { "name": "http-metrics", "containerPort": 9797, "protocol": "TCP" },
                    { "name": "grpc", "containerPort": 9999, "protocol": "TCP" }
                ],
                "env": [
                    { "name": "PODINFO_UI_COLOR", "value": "#34577c" },
                    { "name": "POD_IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }
                ],
                "livenessProbe": { "exec": { "command": ["podcli", "check", "http", "localhost:9898/healthz"] } },
                "readinessProbe": { "httpGet": { "path": "/readyz", "port": "http" }, "periodSeconds": 3 },
                "resources": { "limits": { "cpu": "2", "memory": "512Mi" }, "requests": { "cpu": "100m", "memory": "64Mi" } }
            }],
            "tolerations": [
                { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }
            ]
        }
    })
}

pub fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": { "bench": "true" } },
        "data": { "colour": "blue", "settings.yaml": "level: info\nport: 9898\n" }
    })
}
