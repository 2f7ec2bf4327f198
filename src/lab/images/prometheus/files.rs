//! Reads `prometheus.yml` and the rule files that it names.

use crate::cluster::Client;
use crate::metrics::Database;
use crate::metrics::config::Config;
use crate::metrics::rules::{Millis, RuleFile, RuleProblem};
use crate::model::object::ObjectRef;
use crate::sys::yaml::{self, Dialect};
use crate::workload::runtime::ContainerSpec;
use serde_json::Value;
use std::collections::BTreeMap;

/// Mount path to file name to content.
type Files = BTreeMap<String, BTreeMap<String, String>>;

/// A configuration that was read.
pub(super) struct Loaded {
    /// As written.
    pub(super) text: String,
    pub(super) config: Config,
    rules: RuleFile,
}

impl Loaded {
    pub(super) fn read(files: &Files, path: &str) -> Result<Self, String> {
        let failed = |why: String| format!("Error loading config (--config.file={path}): {why}");
        let (folder, _) = path.rsplit_once('/').unwrap_or((".", path));
        let all: BTreeMap<String, &String> = files
            .iter()
            .flat_map(|(mount, files)| files.iter().map(move |(name, text)| (format!("{mount}/{name}"), text)))
            .collect();
        let text = all.get(path).ok_or_else(|| failed(format!("open {path}: no such file or directory")))?;
        let mut documents =
            yaml::documents(text, Dialect::Kubernetes).map_err(|it| failed(it.to_string()))?.into_iter();
        let document = documents.next().map_or(Value::Null, |it| it.to_json());
        let config = Config::read(document).map_err(|it| failed(it.to_string()))?;
        let mut rules = RuleFile::default();
        for pattern in &config.rule_files {
            let pattern = if pattern.starts_with('/') { pattern.clone() } else { format!("{folder}/{pattern}") };
            for (path, text) in all.iter().filter(|(path, _)| glob(&pattern, path)) {
                let read = read_rules(path, text).map_err(|why| failed(format!("loading {path}: {why}")))?;
                rules.groups.extend(read.groups);
            }
        }
        for group in &mut rules.groups {
            group.interval.get_or_insert(Millis(config.evaluation_interval_ms));
        }
        Ok(Self { text: (*text).clone(), config, rules })
    }

    /// Gives the rules to the database.
    pub(super) fn put_in_force(&self, database: &Database) -> Result<(), String> {
        database.load_rules(self.rules.clone()).map_err(|problems| {
            let line = |it: &RuleProblem| format!("{}, rule {}: {}", it.group, it.rule, it.reason);
            problems.iter().map(line).collect::<Vec<_>>().join("; ")
        })
    }
}

fn read_rules(path: &str, text: &str) -> Result<RuleFile, String> {
    let mut rules = RuleFile::default();
    for document in yaml::documents(text, Dialect::Kubernetes).map_err(|it| it.to_string())? {
        let file: RuleFile = serde_json::from_value(document.to_json()).map_err(|it| it.to_string())?;
        rules.groups.extend(file.groups);
    }
    for group in &mut rules.groups {
        path.clone_into(&mut group.file);
    }
    Ok(rules)
}

/// Whether a path fits a pattern in which `*` stands for anything but a slash.
fn glob(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(path) = path.strip_prefix(head) else { return false };
    let end = path.find('/').unwrap_or(path.len());
    (0..=end).any(|skipped| path.is_char_boundary(skipped) && glob(rest, &path[skipped..]))
}

/// The container's files as its ConfigMaps have them now. A real kubelet brings changes within a minute or so; here
/// they are there when they are asked for. Mounts of anything but whole ConfigMaps stay as they were.
pub(super) async fn fresh(cluster: &Client, container: &ContainerSpec) -> Result<Files, String> {
    let named = |kind: &str, name: &str| ObjectRef {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: container.namespace.clone(),
        name: name.to_owned(),
    };
    let mut files = container.files.clone();
    let pod = cluster.get(&named("Pod", &container.pod)).await.map_err(|it| it.to_string())?.unwrap_or_default();
    let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
    let spec = list(&pod["spec"]["containers"]).into_iter().find(|it| it["name"] == container.name.as_str());
    for mount in list(&spec.unwrap_or_default()["volumeMounts"]) {
        let volume = list(&pod["spec"]["volumes"]).into_iter().find(|it| it["name"] == mount["name"]);
        let source = volume.unwrap_or_default()["configMap"].take();
        let (Some(path), Some(name)) = (mount["mountPath"].as_str(), source["name"].as_str()) else { continue };
        if !mount["subPath"].is_null() || !source["items"].is_null() {
            continue;
        }
        let found = cluster.get(&named("ConfigMap", name)).await.map_err(|it| it.to_string())?;
        let Some(found) = found else { continue };
        let data = found["data"].as_object().cloned().unwrap_or_default();
        let texts = data.into_iter().filter_map(|(name, text)| Some((name, text.as_str()?.to_owned())));
        files.insert(path.to_owned(), texts.collect());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_names() {
        for (pattern, path, fits) in [
            ("/etc/*.rules.yml", "/etc/a.rules.yml", true),
            ("/etc/*.rules.yml", "/etc/b/a.rules.yml", false),
            ("/etc/*/*.yml", "/etc/b/a.yml", true),
            ("/etc/a.yml", "/etc/a.yml", true),
            ("/etc/a*", "/etc/b", false),
        ] {
            assert_eq!(glob(pattern, path), fits, "{pattern} {path}");
        }
    }
}
