//! What somebody needs who asks afterwards why a lab did not come up or a run broke: objects, events, logs.

use super::provider::Provider;
use crate::cluster::Client;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Kinds that are written down whole.
const KINDS: &[(&str, &str)] = &[
    ("v1", "Node"),
    ("v1", "Namespace"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Event"),
    ("v1", "ConfigMap"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("networking.k8s.io/v1", "Ingress"),
    ("flagger.app/v1beta1", "Canary"),
    ("source.toolkit.fluxcd.io/v1", "OCIRepository"),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
];
/// Of each container's log, so many of the last lines.
const LOG_LINES: usize = 2000;

/// Writes all that can be had into `folder`; what cannot be had is said in `missing.txt`. Secrets are not written.
pub(super) async fn collect(
    provider: &dyn Provider,
    cluster: Option<&Client>,
    folder: &Path,
) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let mut missing = Vec::new();
    if let Err(why) = provider.evidence(folder).await {
        missing.push(format!("the provider's own: {why}"));
    }
    match cluster {
        None => missing.push("the cluster's objects: there was no cluster".to_owned()),
        Some(cluster) => of_cluster(cluster, folder, &mut missing).await?,
    }
    if !missing.is_empty() {
        std::fs::write(folder.join("missing.txt"), missing.join("\n") + "\n")?;
    }
    Ok(folder.to_owned())
}

async fn of_cluster(cluster: &Client, folder: &Path, missing: &mut Vec<String>) -> std::io::Result<()> {
    for (api_version, kind) in KINDS {
        match cluster.list(api_version, kind, None, None).await {
            Ok(objects) => write_json(&folder.join(format!("{kind}.json")), &Value::Array(objects))?,
            Err(why) => missing.push(format!("{kind}: {why}")),
        }
    }
    let pods = cluster.list("v1", "Pod", None, None).await.unwrap_or_default();
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs)?;
    for pod in &pods {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        for container in containers.into_iter().flatten().filter_map(|it| it["name"].as_str()) {
            match cluster.log(namespace, name, container, LOG_LINES).await {
                Ok(log) => std::fs::write(logs.join(format!("{namespace}_{name}_{container}.log")), log)?,
                Err(why) => missing.push(format!("log of {namespace}/{name}, {container}: {why}")),
            }
        }
    }
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> std::io::Result<()> {
    std::fs::write(path, serde_json::to_string_pretty(value).unwrap_or_default() + "\n")
}
