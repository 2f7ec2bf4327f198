//! What counts as a new revision: another pod template, or other contents of the ConfigMaps and Secrets it refers to.

use super::ask::LogLevel;
use super::context::{Target, Tick};
use super::hash;
use super::script::{Context, Run};
use crate::model::canary::Canary;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::rc::Rc;

/// ConfigMaps and Secrets whose value of this annotation starts with `disable` are not tracked.
const TRACKING_ANNOTATION: &str = "flagger.app/config-tracking";
/// Other types (registry credentials, service account tokens) are not tracked.
const TRACKED_SECRET_TYPES: [&str; 4] =
    ["Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"];

/// The two kinds of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConfigKind {
    ConfigMap,
    Secret,
}

impl ConfigKind {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// Flagger's word in status keys and log lines.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// A ConfigMap or Secret that the target refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracked<'a> {
    pub(super) kind: ConfigKind,
    pub(super) name: &'a str,
    pub(super) object: &'a Value,
}

impl Tracked<'_> {
    /// `configmap/<name>` or `secret/<name>`
    fn key(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }

    /// First 8 bytes of SHA-256 of the JSON of `.data`, in hexadecimal digits.
    fn checksum(&self) -> String {
        let digest = Sha256::digest(go_json(&self.object["data"]));
        let first = digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        format!("{first:016x}")
    }
}

/// A map as Go's encoder writes it: keys in order, `<`, `>` and `&` escaped; `null` where there is none.
fn go_json(data: &Value) -> String {
    let Some(fields) = data.as_object() else { return "null".to_owned() };
    let ordered: BTreeMap<_, _> = fields.iter().collect();
    let json = serde_json::to_string(&ordered).unwrap_or_default();
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Key and checksum of each, as `status.trackedConfigs` holds them.
pub(super) fn checksums(configs: &[Tracked<'_>]) -> BTreeMap<String, String> {
    configs.iter().map(|it| (it.key(), it.checksum())).collect()
}

/// Reads what the target's pod template refers to. A missing one is a failure unless all its references are optional.
pub(super) fn tracked<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<Vec<Tracked<'a>>> {
    let mut found = Vec::new();
    if !tick.settings.config_tracking {
        return Ok(found);
    }
    for ((kind, name), optional) in references(target.deployment) {
        let namespace = tick.canary.namespace();
        let words = |error: &str| format!("{} {name}.{namespace} get query error: {error}", kind.word());
        let object = if optional {
            tick.find("v1", kind.kind(), name).context(words)?
        } else {
            Some(tick.get("v1", kind.kind(), name).context(words)?)
        };
        found.extend(object.filter(|it| is_tracked(kind, it)).map(|object| Tracked { kind, name, object }));
    }
    Ok(found)
}

fn is_tracked(kind: ConfigKind, object: &Value) -> bool {
    let tracking = object["metadata"]["annotations"][TRACKING_ANNOTATION].as_str().unwrap_or_default();
    let secret_type = object["type"].as_str().unwrap_or("Opaque");
    !tracking.starts_with("disable") && (kind == ConfigKind::ConfigMap || TRACKED_SECRET_TYPES.contains(&secret_type))
}

/// Every ConfigMap and Secret that the template names, and whether all its references are optional.
fn references(deployment: &Value) -> BTreeMap<(ConfigKind, &str), bool> {
    let mut found = BTreeMap::new();
    each_reference(&deployment["spec"]["template"]["spec"], &mut |kind, reference, field| {
        if let Some(name) = reference[field].as_str().filter(|it| !it.is_empty()) {
            let optional = reference["optional"].as_bool().unwrap_or(false);
            found.entry((kind, name)).and_modify(|it| *it &= optional).or_insert(optional);
        }
    });
    found
}

/// Calls `visit` with each reference to a ConfigMap or Secret in a pod spec and the field that holds the name.
fn each_reference<'v>(pod: &'v Value, visit: &mut impl FnMut(ConfigKind, &'v Value, &'static str)) {
    use ConfigKind::{ConfigMap, Secret};
    let list = |value: &'v Value| value.as_array().map_or(&[][..], Vec::as_slice);
    let mut at = |kind, reference: &'v Value, field| {
        if reference.is_object() {
            visit(kind, reference, field);
        }
    };
    for volume in list(&pod["volumes"]) {
        at(ConfigMap, &volume["configMap"], "name");
        at(Secret, &volume["secret"], "secretName");
        for source in list(&volume["projected"]["sources"]) {
            at(ConfigMap, &source["configMap"], "name");
            at(Secret, &source["secret"], "name");
        }
    }
    for container in list(&pod["containers"]).iter().chain(list(&pod["initContainers"])) {
        for variable in list(&container["env"]) {
            at(ConfigMap, &variable["valueFrom"]["configMapKeyRef"], "name");
            at(Secret, &variable["valueFrom"]["secretKeyRef"], "name");
        }
        for source in list(&container["envFrom"]) {
            at(ConfigMap, &source["configMapRef"], "name");
            at(Secret, &source["secretRef"], "name");
        }
    }
}

/// Whether the template is neither the last applied nor the promoted one. Going back to what the primary runs is not a change.
pub(super) fn template_changed(canary: &Canary, target: &Target<'_>) -> bool {
    let status = &canary.status;
    if status.last_applied_spec.is_empty() {
        return true;
    }
    let hash = target.hash();
    hash != status.last_promoted_spec && hash != status.last_applied_spec
}

/// Whether the number or the contents of the tracked ConfigMaps and Secrets differ from the status.
pub(super) fn configs_changed<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<bool> {
    let configs: Rc<[Tracked<'a>]> = tick.configs(target)?;
    let Some(known) = &tick.canary.status.tracked_configs else { return Ok(!configs.is_empty()) };
    if configs.len() != known.len() {
        return Ok(true);
    }
    let changed = configs.iter().find(|it| known.get(&it.key()) != Some(&it.checksum()));
    if let Some(config) = changed {
        tick.log(LogLevel::Info, || format!("{} {} has changed", config.kind.word(), config.name));
    }
    Ok(changed.is_some())
}

/// What webhooks carry as `checksum`: equal while the status names the same template and configs.
#[must_use]
pub fn checksum(canary: &Canary) -> String {
    let status = &canary.status;
    let configs = status.tracked_configs.iter().flatten().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    hash::of_parts(std::iter::once(status.last_applied_spec.as_str()).chain(configs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_found_in_volumes_environment_and_init_containers() {
        let deployment = json!({"spec": {"template": {"spec": {
            "volumes": [{"configMap": {"name": "a"}}, {"secret": {"secretName": "b", "optional": true}},
                {"projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "d"}}]}}],
            "containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "e"}}}],
                "envFrom": [{"secretRef": {"name": "b"}}]}],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "f", "optional": true}}]}]}}}});
        let found: Vec<_> =
            references(&deployment).into_iter().map(|((kind, name), optional)| (kind.word(), name, optional)).collect();
        let wanted = [
            ("configmap", "a", false),
            ("configmap", "c", false),
            ("configmap", "e", false),
            ("configmap", "f", true),
            // Once optional and once not: it must be there.
            ("secret", "b", false),
            ("secret", "d", false),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_checksum_is_that_of_gos_json_of_the_data() {
        let object = json!({"data": {"b": "1 < 2", "a": "x"}});
        let tracked = Tracked { kind: ConfigKind::ConfigMap, name: "n", object: &object };
        let digest = Sha256::digest(r#"{"a":"x","b":"1 \u003c 2"}"#);
        assert_eq!(tracked.checksum(), format!("{:016x}", u64::from_be_bytes(digest[..8].try_into().unwrap())));
    }

    #[test]
    fn opted_out_and_foreign_secrets_are_not_tracked() {
        let opted_out = json!({"metadata": {"annotations": {TRACKING_ANNOTATION: "disabled"}}});
        assert!(!is_tracked(ConfigKind::ConfigMap, &opted_out));
        assert!(!is_tracked(ConfigKind::Secret, &json!({"type": "kubernetes.io/dockerconfigjson"})));
        assert!(is_tracked(ConfigKind::Secret, &json!({"type": "kubernetes.io/tls"})));
    }
}
