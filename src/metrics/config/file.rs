//! The shape of the file.

use super::relabel::{RelabelSpec, Relabelling};
use crate::metrics::rules::Millis;
use crate::metrics::scrape::HonorLabels;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Prometheus' defaults, in milliseconds.
const SCRAPE_INTERVAL_MS: i64 = 60_000;
const SCRAPE_TIMEOUT_MS: i64 = 10_000;
const EVALUATION_INTERVAL_MS: i64 = 60_000;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Shape(String),
    #[error("scrape job {job:?}: {reason}")]
    Job { job: String, reason: String },
}

/// What is in force.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Of rule groups that name none, in milliseconds.
    pub evaluation_interval_ms: i64,
    /// Labels that federation adds.
    pub external_labels: BTreeMap<String, String>,
    /// Names of rule files, in which `*` stands for anything but a slash.
    pub rule_files: Vec<String>,
    pub jobs: Vec<ScrapeConfig>,
}

/// One scrape job.
#[derive(Debug, Clone)]
pub struct ScrapeConfig {
    pub name: String,
    pub interval_ms: i64,
    pub timeout_ms: i64,
    pub metrics_path: String,
    pub scheme: String,
    pub params: BTreeMap<String, Vec<String>>,
    pub honor: HonorLabels,
    pub discovery: Vec<Discovery>,
    pub relabelling: Vec<Relabelling>,
    pub metric_relabelling: Arc<[Relabelling]>,
}

/// Where a job's targets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    Static(Static),
    Kubernetes {
        role: Role,
        /// None: those of all namespaces.
        namespaces: Vec<String>,
    },
}

/// Addresses with labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Static {
    #[serde(default)]
    pub targets: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Which objects of the cluster are targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Pod,
    Service,
    Node,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSpec {
    #[serde(default)]
    global: GlobalSpec,
    #[serde(default)]
    rule_files: Vec<String>,
    #[serde(default)]
    scrape_configs: Vec<ScrapeSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GlobalSpec {
    scrape_interval: Option<Millis>,
    scrape_timeout: Option<Millis>,
    evaluation_interval: Option<Millis>,
    #[serde(default)]
    external_labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScrapeSpec {
    job_name: String,
    scrape_interval: Option<Millis>,
    scrape_timeout: Option<Millis>,
    metrics_path: Option<String>,
    scheme: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    honor_labels: bool,
    #[serde(default)]
    static_configs: Vec<Static>,
    #[serde(default)]
    kubernetes_sd_configs: Vec<KubernetesSpec>,
    #[serde(default)]
    relabel_configs: Vec<RelabelSpec>,
    #[serde(default)]
    metric_relabel_configs: Vec<RelabelSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KubernetesSpec {
    role: Role,
    #[serde(default)]
    namespaces: NamespacesSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespacesSpec {
    #[serde(default)]
    names: Vec<String>,
}

impl Config {
    /// Reads a file's document.
    pub fn read(document: serde_json::Value) -> Result<Self, ConfigError> {
        let document = if document.is_null() { serde_json::json!({}) } else { document };
        let file: FileSpec = serde_json::from_value(document).map_err(|it| ConfigError::Shape(it.to_string()))?;
        let global = &file.global;
        let mut names = BTreeSet::new();
        let mut jobs = Vec::new();
        for spec in file.scrape_configs {
            let name = spec.job_name.clone();
            let refuse = |reason: String| ConfigError::Job { job: name.clone(), reason };
            if name.is_empty() {
                return Err(refuse("job_name is empty".to_owned()));
            }
            if !names.insert(name.clone()) {
                return Err(refuse("found multiple scrape configs with this job name".to_owned()));
            }
            jobs.push(read_job(spec, global).map_err(refuse)?);
        }
        let or = |millis: Option<Millis>, default| millis.map_or(default, |millis| millis.0).max(1);
        Ok(Self {
            evaluation_interval_ms: or(global.evaluation_interval, EVALUATION_INTERVAL_MS),
            external_labels: file.global.external_labels,
            rule_files: file.rule_files,
            jobs,
        })
    }
}

fn read_job(spec: ScrapeSpec, global: &GlobalSpec) -> Result<ScrapeConfig, String> {
    let positive = |millis: Millis| millis.0.max(1);
    let interval_ms = spec.scrape_interval.or(global.scrape_interval).map_or(SCRAPE_INTERVAL_MS, positive);
    let timeout_ms = match spec.scrape_timeout.map(positive) {
        Some(timeout_ms) if timeout_ms > interval_ms => {
            return Err("scrape timeout greater than scrape interval".to_owned());
        }
        Some(timeout_ms) => timeout_ms,
        None => global.scrape_timeout.map_or(SCRAPE_TIMEOUT_MS, positive).min(interval_ms),
    };
    let scheme = spec.scheme.unwrap_or_else(|| "http".to_owned());
    if scheme != "http" {
        return Err(format!("scheme {scheme:?} is not supported by the embedded lab, whose network has http only"));
    }
    let read_all = |specs: Vec<RelabelSpec>| specs.into_iter().map(Relabelling::read).collect::<Result<Vec<_>, _>>();
    let kubernetes = spec
        .kubernetes_sd_configs
        .into_iter()
        .map(|it| Discovery::Kubernetes { role: it.role, namespaces: it.namespaces.names });
    Ok(ScrapeConfig {
        name: spec.job_name,
        interval_ms,
        timeout_ms,
        metrics_path: spec.metrics_path.unwrap_or_else(|| "/metrics".to_owned()),
        scheme,
        params: spec.params,
        honor: if spec.honor_labels { HonorLabels::Yes } else { HonorLabels::No },
        discovery: spec.static_configs.into_iter().map(Discovery::Static).chain(kubernetes).collect(),
        relabelling: read_all(spec.relabel_configs)?,
        metric_relabelling: read_all(spec.metric_relabel_configs)?.into(),
    })
}
