//! The table of kinds: what discovery shows, what an address means, what a write has to keep.

use super::schema::Schema;
pub use super::status::qualified as qualified_key;
use super::status::{FieldError, Status};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How callers in process name the built-in kinds.
pub mod resource {
    pub const NAMESPACES: &str = "namespaces";
    pub const PODS: &str = "pods";
    pub const SERVICES: &str = "services";
    pub const ENDPOINTS: &str = "endpoints";
    pub const CONFIGMAPS: &str = "configmaps";
    pub const SECRETS: &str = "secrets";
    pub const EVENTS: &str = "events";
    pub const NODES: &str = "nodes";
    pub const SERVICE_ACCOUNTS: &str = "serviceaccounts";
    pub const PERSISTENT_VOLUME_CLAIMS: &str = "persistentvolumeclaims";
    pub const DEPLOYMENTS: &str = "deployments.apps";
    pub const REPLICA_SETS: &str = "replicasets.apps";
    pub const DAEMON_SETS: &str = "daemonsets.apps";
    pub const STATEFUL_SETS: &str = "statefulsets.apps";
    pub const CONTROLLER_REVISIONS: &str = "controllerrevisions.apps";
    pub const HORIZONTAL_POD_AUTOSCALERS: &str = "horizontalpodautoscalers.autoscaling";
    pub const INGRESSES: &str = "ingresses.networking.k8s.io";
    pub const INGRESS_CLASSES: &str = "ingressclasses.networking.k8s.io";
    pub const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";
    /// The same objects as [`EVENTS`], in their newer form; over HTTP only.
    pub const EVENTS_V1: &str = "events.events.k8s.io";
    pub const LEASES: &str = "leases.coordination.k8s.io";
    pub const POD_DISRUPTION_BUDGETS: &str = "poddisruptionbudgets.policy";
    pub const CUSTOM_RESOURCE_DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
    pub const REPLICATION_CONTROLLERS: &str = "replicationcontrollers";
    pub const RESOURCE_QUOTAS: &str = "resourcequotas";
    pub const PERSISTENT_VOLUMES: &str = "persistentvolumes";
    pub const POD_TEMPLATES: &str = "podtemplates";
    pub const STORAGE_CLASSES: &str = "storageclasses.storage.k8s.io";
    pub const PRIORITY_CLASSES: &str = "priorityclasses.scheduling.k8s.io";
    pub const NETWORK_POLICIES: &str = "networkpolicies.networking.k8s.io";
    pub const ROLES: &str = "roles.rbac.authorization.k8s.io";
    pub const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
    pub const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
    pub const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
    pub const JOBS: &str = "jobs.batch";
    pub const CRON_JOBS: &str = "cronjobs.batch";
}

/// A column of `kubectl get`, from `additionalPrinterColumns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    pub format: String,
    pub description: String,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i64,
    pub json_path: String,
}

/// Where a custom resource keeps its scale; simple JSON paths such as `.spec.replicas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePaths {
    pub spec_replicas: String,
    pub status_replicas: String,
    pub label_selector: Option<String>,
}

/// One version of a kind.
#[derive(Debug, Clone)]
pub struct Version {
    pub name: String,
    pub served: bool,
    pub storage: bool,
    pub status: bool,
    pub scale: Option<ScalePaths>,
    /// The types of its fields.
    pub schema: Arc<Schema>,
    pub columns: Vec<Column>,
}

/// One kind of object.
#[derive(Debug, Clone)]
pub struct Kind {
    /// `deployments.apps`: the key of the store, and how callers in process name it.
    pub key: String,
    pub group: String,
    pub kind: String,
    pub list_kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    /// `metadata.generation` counts the changes of the wish.
    pub generation: bool,
    pub custom: bool,
    /// At least one; the first one that is served is preferred.
    pub versions: Vec<Version>,
}

impl Kind {
    /// The version that objects are kept in.
    pub fn storage(&self) -> &Version {
        self.versions.iter().find(|it| it.storage).unwrap_or(&self.versions[0])
    }

    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|it| it.served && it.name == name)
    }

    /// `apps/v1`, `v1`: of the storage version.
    pub fn api_version(&self) -> String {
        self.api_version_of(&self.storage().name)
    }

    pub fn api_version_of(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    pub fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.plural, &self.group, name)
    }

    pub fn invalid(&self, name: &str, errors: Vec<FieldError>) -> Status {
        Status::invalid(&self.kind, &self.group, name, errors)
    }

    /// Whether deletion waits for whoever runs the object.
    pub fn graceful(&self) -> bool {
        self.key == resource::PODS
    }
}

/// A row of the built-in table.
struct Row(&'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// Group/version, kind, plural, singular, short names, traits: n namespaced, s status, c scale, g generation, a category "all".
const BUILT_IN: &[Row] = &[
    Row("v1", "Namespace", "namespaces", "namespace", &["ns"], "s"),
    Row("v1", "Node", "nodes", "node", &["no"], "s"),
    Row("v1", "Pod", "pods", "pod", &["po"], "nsga"),
    Row("v1", "Service", "services", "service", &["svc"], "nsa"),
    Row("v1", "Endpoints", "endpoints", "endpoints", &["ep"], "n"),
    Row("v1", "ConfigMap", "configmaps", "configmap", &["cm"], "n"),
    Row("v1", "Secret", "secrets", "secret", &[], "n"),
    Row("v1", "Event", "events", "event", &["ev"], "n"),
    Row("v1", "ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"], "n"),
    Row("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", &["pvc"], "ns"),
    Row("v1", "PersistentVolume", "persistentvolumes", "persistentvolume", &["pv"], "s"),
    Row("v1", "ReplicationController", "replicationcontrollers", "replicationcontroller", &["rc"], "nscga"),
    Row("v1", "ResourceQuota", "resourcequotas", "resourcequota", &["quota"], "ns"),
    Row("v1", "LimitRange", "limitranges", "limitrange", &["limits"], "n"),
    Row("v1", "PodTemplate", "podtemplates", "podtemplate", &[], "ng"),
    Row("apps/v1", "Deployment", "deployments", "deployment", &["deploy"], "nscga"),
    Row("apps/v1", "ReplicaSet", "replicasets", "replicaset", &["rs"], "nscga"),
    Row("apps/v1", "DaemonSet", "daemonsets", "daemonset", &["ds"], "nsga"),
    Row("apps/v1", "StatefulSet", "statefulsets", "statefulset", &["sts"], "nscga"),
    Row("apps/v1", "ControllerRevision", "controllerrevisions", "controllerrevision", &[], "n"),
    Row(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        &["hpa"],
        "nsa",
    ),
    Row("batch/v1", "Job", "jobs", "job", &[], "nsga"),
    Row("batch/v1", "CronJob", "cronjobs", "cronjob", &["cj"], "nsga"),
    Row("networking.k8s.io/v1", "Ingress", "ingresses", "ingress", &["ing"], "nsg"),
    Row("networking.k8s.io/v1", "IngressClass", "ingressclasses", "ingressclass", &[], "g"),
    Row("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "networkpolicy", &["netpol"], "ng"),
    Row("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "endpointslice", &[], "ng"),
    Row("events.k8s.io/v1", "Event", "events", "event", &["ev"], "n"),
    Row("coordination.k8s.io/v1", "Lease", "leases", "lease", &[], "n"),
    Row("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", &["pdb"], "nsg"),
    Row("storage.k8s.io/v1", "StorageClass", "storageclasses", "storageclass", &["sc"], ""),
    Row("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "priorityclass", &["pc"], "g"),
    Row("rbac.authorization.k8s.io/v1", "Role", "roles", "role", &[], "n"),
    Row("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", "rolebinding", &[], "n"),
    Row("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "clusterrole", &[], ""),
    Row("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", &[], ""),
    Row(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        &["crd", "crds"],
        "sg",
    ),
];

/// Versions that are served beside the one that is kept.
const OLDER: &[((&str, &str), &str)] = &[(("autoscaling/v2", "HorizontalPodAutoscaler"), "v1")];

impl Row {
    fn kind(&self) -> Kind {
        let Self(api_version, kind, plural, singular, short_names, traits) = *self;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let has = |it| traits.contains(it);
        let scale = has('c').then(|| ScalePaths {
            spec_replicas: ".spec.replicas".to_owned(),
            status_replicas: ".status.replicas".to_owned(),
            label_selector: None,
        });
        let version_of = |name: &str| Version {
            name: name.to_owned(),
            served: true,
            storage: name == version,
            status: has('s'),
            scale: scale.clone(),
            schema: Schema::built_in(&api_version.replace(version, name), kind),
            columns: vec![],
        };
        let older = OLDER.iter().filter(|(of, _)| *of == (api_version, kind)).map(|(_, version)| *version);
        let versions = std::iter::once(version).chain(older).map(version_of).collect();
        let categories: &[&str] = match kind {
            _ if has('a') => &["all"],
            "CustomResourceDefinition" => &["api-extensions"],
            _ => &[],
        };
        Kind {
            key: qualified_key(plural, group),
            group: group.to_owned(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: singular.to_owned(),
            short_names: short_names.iter().map(|it| (*it).to_owned()).collect(),
            categories: categories.iter().map(|it| (*it).to_owned()).collect(),
            namespaced: has('n'),
            generation: has('g'),
            custom: false,
            versions,
        }
    }
}

/// All kinds that the server knows now.
#[derive(Debug)]
pub struct Kinds {
    by_key: BTreeMap<String, Arc<Kind>>,
}

impl Default for Kinds {
    fn default() -> Self {
        let kinds = BUILT_IN.iter().map(Row::kind);
        Self { by_key: kinds.map(|it| (it.key.clone(), Arc::new(it))).collect() }
    }
}

impl Kinds {
    pub fn get(&self, resource: &str) -> Result<Arc<Kind>, Status> {
        self.by_key.get(resource).cloned().ok_or_else(Status::no_such_resource)
    }

    /// The kind that an object says it is.
    pub fn of(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.by_key.values().find(|it| it.kind == kind && it.group == group && it.version(version).is_some())
    }

    /// The kind behind `/apis/{group}/{version}/{plural}`.
    pub fn at_path(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        let key = qualified_key(plural, group);
        self.by_key.get(&key).filter(|it| it.version(version).is_some())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.by_key.values()
    }

    pub fn insert(&mut self, kind: Kind) {
        self.by_key.insert(kind.key.clone(), Arc::new(kind));
    }

    pub fn remove(&mut self, resource: &str) {
        self.by_key.remove(resource);
    }
}
