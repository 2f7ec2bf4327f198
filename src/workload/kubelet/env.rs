//! What a container gets from its pod and from ConfigMaps and Secrets: environment, arguments, files.

use crate::workload::client::Client;
use crate::workload::json::{flag, list, name, namespace, text, texts, uid};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) type Texts = BTreeMap<String, String>;

/// Why a container cannot be configured, in the kubelet's words (`configmap "x" not found`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConfigError(pub(super) String);

/// Looks up ConfigMaps and Secrets of one namespace.
pub(super) struct Sources<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
}

impl Sources<'_> {
    /// The texts of `kind` (`configmap` or `secret`); none when it is missing and may be.
    fn texts(&self, kind: &str, name: &str, optional: bool) -> Result<Option<Texts>, ConfigError> {
        let resource = if kind == "secret" { "secrets" } else { "configmaps" };
        let Some(object) = self.client.get(resource, self.namespace, name) else {
            return if optional { Ok(None) } else { Err(ConfigError(format!("{kind} \"{name}\" not found"))) };
        };
        let mut found = texts(&object, "/data");
        if kind == "secret" {
            for value in found.values_mut() {
                *value = decode(value);
            }
        } else {
            found.extend(texts(&object, "/binaryData").into_iter().map(|(key, value)| (key, decode(&value))));
        }
        Ok(Some(found))
    }

    fn key(&self, kind: &str, reference: &Value) -> Result<Option<String>, ConfigError> {
        let (name, key) = (text(reference, "/name"), text(reference, "/key"));
        let optional = flag(reference, "/optional");
        let Some(mut found) = self.texts(kind, name, optional)? else { return Ok(None) };
        match found.remove(key) {
            Some(value) => Ok(Some(value)),
            None if optional => Ok(None),
            None => {
                let title = if kind == "secret" { "Secret" } else { "ConfigMap" };
                let place = self.namespace;
                Err(ConfigError(format!("couldn't find key {key} in {title} {place}/{name}")))
            }
        }
    }
}

/// Bytes that are not text become replacement characters: nothing here reads binary data.
fn decode(base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is known of the pod when its container is made.
pub(super) struct PodFacts<'a> {
    pub(super) pod: &'a Value,
    pub(super) pod_ip: &'a str,
    pub(super) node_ip: &'a str,
}

impl PodFacts<'_> {
    fn field(&self, path: &str) -> Option<String> {
        let pod = self.pod;
        let keyed = |prefix: &str, pointer: &str| {
            let key = path.strip_prefix(prefix)?.strip_suffix("']")?;
            Some(texts(pod, pointer).remove(key).unwrap_or_default())
        };
        Some(match path {
            "metadata.name" => name(pod).to_owned(),
            "metadata.namespace" => namespace(pod).to_owned(),
            "metadata.uid" => uid(pod).to_owned(),
            "spec.nodeName" => super::NODE_NAME.to_owned(),
            "spec.serviceAccountName" => text(pod, "/spec/serviceAccountName").to_owned(),
            "status.hostIP" | "status.hostIPs" => self.node_ip.to_owned(),
            "status.podIP" | "status.podIPs" => self.pod_ip.to_owned(),
            _ => {
                return keyed("metadata.labels['", "/metadata/labels")
                    .or_else(|| keyed("metadata.annotations['", "/metadata/annotations"));
            }
        })
    }
}

/// The environment of a container: `envFrom` in order, then `env` in order, with `$(NAME)` of earlier names put in.
pub(super) fn environment(
    container: &Value,
    facts: &PodFacts<'_>,
    sources: &Sources<'_>,
) -> Result<Texts, ConfigError> {
    let mut env = Texts::new();
    for source in list(container, "/envFrom") {
        for (field, kind) in [("/configMapRef", "configmap"), ("/secretRef", "secret")] {
            let Some(reference) = source.pointer(field) else { continue };
            let found = sources.texts(kind, text(reference, "/name"), flag(reference, "/optional"))?;
            let prefix = text(source, "/prefix");
            env.extend(found.unwrap_or_default().into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
        }
    }
    for variable in list(container, "/env") {
        let value = match variable.get("valueFrom") {
            Some(from) => value_from(from, container, facts, sources)?,
            None => Some(expand(text(variable, "/value"), &env)),
        };
        if let Some(value) = value {
            env.insert(text(variable, "/name").to_owned(), value);
        }
    }
    Ok(env)
}

fn value_from(
    from: &Value,
    container: &Value,
    facts: &PodFacts<'_>,
    sources: &Sources<'_>,
) -> Result<Option<String>, ConfigError> {
    if let Some(reference) = from.get("configMapKeyRef") {
        return sources.key("configmap", reference);
    }
    if let Some(reference) = from.get("secretKeyRef") {
        return sources.key("secret", reference);
    }
    if let Some(field) = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
        let unsupported = || ConfigError(format!("unsupported fieldPath: {field}"));
        return facts.field(field).map(Some).ok_or_else(unsupported);
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        return resource(reference, container).map(Some);
    }
    Ok(None)
}

fn resource(reference: &Value, container: &Value) -> Result<String, ConfigError> {
    let path = text(reference, "/resource");
    let (list, what) = path.split_once('.').unwrap_or_default();
    let quantity = container["resources"][list][what].as_str().and_then(crate::workload::quantity::parse);
    let divisor = crate::workload::quantity::parse(text(reference, "/divisor")).filter(|it| *it > 0.0).unwrap_or(1.0);
    match (list, quantity) {
        ("limits" | "requests", Some(value)) => Ok(format!("{:.0}", (value / divisor).ceil())),
        // The real kubelet puts the node's capacity in for a missing limit; our node has none worth telling.
        ("limits" | "requests", None) => Ok("0".to_owned()),
        _ => Err(ConfigError(format!("unsupported container resource : {path}"))),
    }
}

/// Puts `$(NAME)` in where the name is known; `$$(NAME)` stands for itself.
pub(super) fn expand(input: &str, env: &Texts) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let named = rest.strip_prefix('(').and_then(|it| it.split_once(')'));
        match named.and_then(|(name, after)| Some((env.get(name)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

/// The texts of an array (`command`, `args`), expanded.
pub(super) fn expanded(items: &[Value], env: &Texts) -> Vec<String> {
    items.iter().filter_map(Value::as_str).map(|it| expand(it, env)).collect()
}

/// The files of every volume made of ConfigMaps or Secrets, by the volume's name. Other volumes are empty directories.
pub(super) fn volumes(pod: &Value, sources: &Sources<'_>) -> Result<BTreeMap<String, Texts>, ConfigError> {
    let mut volumes = BTreeMap::new();
    for volume in list(pod, "/spec/volumes") {
        let name = text(volume, "/name").to_owned();
        let failed = |error: ConfigError| {
            ConfigError(format!("MountVolume.SetUp failed for volume \"{}\" : {error}", text(volume, "/name")))
        };
        let mut files = Texts::new();
        for part in std::iter::once(volume).chain(list(volume, "/projected/sources")) {
            files.extend(volume_files(part, sources).map_err(failed)?);
        }
        volumes.insert(name, files);
    }
    Ok(volumes)
}

fn volume_files(part: &Value, sources: &Sources<'_>) -> Result<Texts, ConfigError> {
    let (kind, source, name) = if let Some(source) = part.get("configMap") {
        ("configmap", source, text(source, "/name"))
    } else if let Some(source) = part.get("secret") {
        let name = text(source, "/secretName");
        ("secret", source, if name.is_empty() { text(source, "/name") } else { name })
    } else {
        return Ok(Texts::new());
    };
    let optional = flag(source, "/optional");
    let found = sources.texts(kind, name, optional)?.unwrap_or_default();
    let items = list(source, "/items");
    if items.is_empty() {
        return Ok(found);
    }
    let mut files = Texts::new();
    for item in items {
        let key = text(item, "/key");
        match found.get(key) {
            Some(content) => {
                files.insert(text(item, "/path").to_owned(), content.clone());
            }
            None if optional => {}
            None => return Err(ConfigError(format!("references non-existent config key: {key}"))),
        }
    }
    Ok(files)
}

/// Where the container sees the volumes' files: mount path to file name to content.
pub(super) fn mounts(container: &Value, volumes: &BTreeMap<String, Texts>) -> BTreeMap<String, Texts> {
    let mut mounts: BTreeMap<String, Texts> = BTreeMap::new();
    for mount in list(container, "/volumeMounts") {
        let Some(files) = volumes.get(text(mount, "/name")) else { continue };
        let (path, sub_path) = (text(mount, "/mountPath"), text(mount, "/subPath"));
        match files.get(sub_path) {
            // One file, mounted under a path of its own.
            Some(content) => {
                let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
                mounts.entry(directory.to_owned()).or_default().insert(file.to_owned(), content.clone());
            }
            None => mounts.entry(path.to_owned()).or_default().extend(files.clone()),
        }
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_put_in_and_others_stay_as_they_are() {
        let env = Texts::from([("HOST".to_owned(), "podinfo".to_owned())]);
        for (input, expected) in [
            ("http://$(HOST):9898", "http://podinfo:9898"),
            ("$(NOBODY)", "$(NOBODY)"),
            ("$$(HOST)", "$(HOST)"),
            ("a $ sign, $(HOST", "a $ sign, $(HOST"),
            ("$", "$"),
        ] {
            assert_eq!(expand(input, &env), expected, "{input}");
        }
    }
}
