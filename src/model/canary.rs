//! Flagger's `flagger.app/v1beta1` Canary, MetricTemplate and AlertProvider as data, with the CRD's field names.
//!
//! Source: the CRDs of Flagger 1.44. Fields of providers that coalmine does not route are left to the object itself.

use crate::model::object::Labels;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The lower bound that Flagger puts under `analysis.interval`.
pub const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// `analysis.interval` where it is empty or cannot be read.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// `spec.progressDeadlineSeconds` where it is not set.
pub const DEFAULT_PROGRESS_DEADLINE: Duration = Duration::from_secs(600);

/// A Canary object; `metadata` stays JSON because only few of its parts are ever read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Canary {
    pub metadata: Value,
    pub spec: CanarySpec,
    pub status: CanaryStatus,
}

impl Canary {
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata["name"].as_str().unwrap_or_default()
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata["namespace"].as_str().unwrap_or("default")
    }

    /// The apex Service's name: `service.name`, or the target's.
    #[must_use]
    pub fn service_name(&self) -> &str {
        if self.spec.service.name.is_empty() { &self.spec.target_ref.name } else { &self.spec.service.name }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanarySpec {
    /// `nginx`, `gatewayapi:v1`, `kubernetes`, …; empty means the controller's own default.
    pub provider: String,
    pub metrics_server: String,
    pub target_ref: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler_ref: Option<AutoscalerRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_ref: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_ref: Option<Reference>,
    pub service: CanaryService,
    pub analysis: Analysis,
    /// Seconds; 600 where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i64>,
    pub skip_analysis: bool,
    pub revert_on_deletion: bool,
    pub suspend: bool,
}

/// `{apiVersion, kind, name}`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalerRef {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub primary_scaler_queries: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_scaler_replicas: Option<ScalerReplicas>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScalerReplicas {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryService {
    pub name: String,
    pub port: u16,
    /// `http` where it is empty.
    pub port_name: String,
    /// Number or name; the port where it is null.
    pub target_port: Value,
    pub app_protocol: String,
    pub traffic_distribution: String,
    pub port_discovery: bool,
    pub headless: bool,
    pub timeout: String,
    pub backend_timeout: String,
    pub gateway_refs: Vec<Value>,
    pub hosts: Vec<String>,
    /// HTTPRoute-like matches, `[{uri, headers, …}]` in Flagger's own (Istio's) form.
    #[serde(rename = "match")]
    pub matches: Vec<Value>,
    pub rewrite: Value,
    pub retries: Value,
    pub headers: Value,
    pub cors_policy: Value,
    pub mirror: Vec<Value>,
    pub apex: Option<ServiceMetadata>,
    pub primary: Option<ServiceMetadata>,
    pub canary: Option<ServiceMetadata>,
    pub unmanaged_metadata: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceMetadata {
    pub labels: Labels,
    pub annotations: Labels,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Analysis {
    pub interval: String,
    /// Failed checks before rollback.
    pub threshold: i64,
    pub iterations: i64,
    pub max_weight: i64,
    pub step_weight: i64,
    pub step_weights: Vec<i64>,
    pub step_weight_promotion: i64,
    pub mirror: bool,
    pub mirror_weight: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_ready_threshold: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_ready_threshold: Option<i64>,
    /// A/B matches: `[{headers: {name: {exact|prefix|suffix|regex}}, queryParams}]`.
    #[serde(rename = "match")]
    pub matches: Vec<Value>,
    pub metrics: Vec<Metric>,
    pub webhooks: Vec<Webhook>,
    pub alerts: Vec<Alert>,
    pub session_affinity: Value,
}

impl Analysis {
    /// The tick period that Flagger really uses: [`DEFAULT_INTERVAL`] where it cannot be read, never under [`MIN_INTERVAL`].
    #[must_use]
    pub fn effective_interval(&self) -> Duration {
        crate::model::duration::parse_go(&self.interval).unwrap_or(DEFAULT_INTERVAL).max(MIN_INTERVAL)
    }

    /// The threshold that Flagger really uses: 1 where it is zero or less.
    #[must_use]
    pub fn effective_threshold(&self) -> i64 {
        if self.threshold <= 0 { 1 } else { self.threshold }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metric {
    pub name: String,
    pub interval: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_range: Option<ThresholdRange>,
    pub query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    pub template_variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThresholdRange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateRef {
    pub name: String,
    /// The Canary's namespace where it is empty.
    pub namespace: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    pub name: String,
    pub url: String,
    /// One of the eight types; empty means `rollout`.
    #[serde(rename = "type")]
    pub hook_type: String,
    pub timeout: String,
    pub retries: i64,
    pub metadata: BTreeMap<String, String>,
    pub mute_alert: bool,
    #[serde(rename = "disableTLS")]
    pub disable_tls: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Alert {
    pub name: String,
    /// `info`, `warn`, `error`; unset sends nothing.
    pub severity: String,
    pub provider_ref: TemplateRef,
}

/// Flagger's phases, with its own (British) spelling.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Phase {
    /// No phase yet.
    #[default]
    #[serde(rename = "")]
    None,
    Initializing,
    Initialized,
    Waiting,
    Progressing,
    WaitingPromotion,
    Promoting,
    Finalising,
    Succeeded,
    Failed,
    Terminating,
    Terminated,
}

impl Phase {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Initializing => "Initializing",
            Self::Initialized => "Initialized",
            Self::Waiting => "Waiting",
            Self::Progressing => "Progressing",
            Self::WaitingPromotion => "WaitingPromotion",
            Self::Promoting => "Promoting",
            Self::Finalising => "Finalising",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::Terminated => "Terminated",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    pub phase: Phase,
    pub failed_checks: i64,
    pub canary_weight: i64,
    pub iterations: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracked_configs: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_applied_spec: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_promoted_spec: String,
    /// RFC 3339 with whole seconds; bumped by every status write.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_transition_time: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session_affinity_cookie: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub primary_session_affinity_cookie: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub previous_session_affinity_cookie: String,
}

/// The one condition of a Canary, of type `Promoted`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub last_update_time: String,
    pub last_transition_time: String,
    pub reason: String,
    pub message: String,
}

/// `MetricTemplate.spec`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricTemplateSpec {
    pub provider: MetricProvider,
    pub query: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricProvider {
    #[serde(rename = "type")]
    pub kind: String,
    pub address: String,
    pub headers: BTreeMap<String, Vec<String>>,
    pub secret_ref: Option<TemplateRef>,
    pub region: String,
    pub insecure_skip_verify: bool,
}

/// `AlertProvider.spec`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlertProviderSpec {
    /// `slack`, `msteams`, `discord`, `rocket`, `gchat`
    #[serde(rename = "type")]
    pub kind: String,
    pub address: String,
    pub channel: String,
    pub username: String,
    pub proxy: String,
    pub secret_ref: Option<TemplateRef>,
}
