//! From `apiVersion` and `kind` to the path that a Kubernetes API serves it under.

use crate::cluster::{Client, ClusterError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// How many discovered kinds are remembered; beyond that the server is asked each time.
const MAX_DISCOVERED: usize = 1_000;

/// The kinds that need no discovery: group, kind, plural, whether it is namespaced.
const BUILT_IN: &[(&str, &str, &str, bool)] = &[
    ("", "ConfigMap", "configmaps", true),
    ("", "Endpoints", "endpoints", true),
    ("", "Event", "events", true),
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("", "Pod", "pods", true),
    ("", "Secret", "secrets", true),
    ("", "Service", "services", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apps", "ControllerRevision", "controllerrevisions", true),
    ("apps", "DaemonSet", "daemonsets", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "ReplicaSet", "replicasets", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("batch", "CronJob", "cronjobs", true),
    ("batch", "Job", "jobs", true),
    ("coordination.k8s.io", "Lease", "leases", true),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    ("flagger.app", "AlertProvider", "alertproviders", true),
    ("flagger.app", "Canary", "canaries", true),
    ("flagger.app", "MetricTemplate", "metrictemplates", true),
    ("gateway.networking.k8s.io", "Gateway", "gateways", true),
    ("gateway.networking.k8s.io", "GatewayClass", "gatewayclasses", false),
    ("gateway.networking.k8s.io", "HTTPRoute", "httproutes", true),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    ("networking.k8s.io", "IngressClass", "ingressclasses", false),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", true),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true),
];

/// Where a kind is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    api_version: String,
    plural: String,
    namespaced: bool,
}

impl Resource {
    pub(super) fn plural(&self) -> &str {
        &self.plural
    }

    /// `/apis/apps/v1/namespaces/test/deployments`; across all namespaces where `namespace` is none.
    pub(super) fn collection(&self, namespace: Option<&str>) -> String {
        let mut path = if self.api_version.contains('/') { "/apis/".to_owned() } else { "/api/".to_owned() };
        path.push_str(&self.api_version);
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            path.push_str("/namespaces/");
            push_segment(&mut path, namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        path
    }

    /// Where objects of this kind are created: a namespaced object without a namespace goes to `default`, as in kubectl.
    pub(super) fn home(&self, namespace: &str) -> String {
        self.collection(Some(if namespace.is_empty() { "default" } else { namespace }))
    }

    /// One object's path, with a subresource if given.
    pub(super) fn object(&self, namespace: &str, name: &str, subresource: Option<&str>) -> String {
        let mut path = self.home(namespace);
        path.push('/');
        push_segment(&mut path, name);
        if let Some(subresource) = subresource {
            path.push('/');
            path.push_str(subresource);
        }
        path
    }
}

/// Writes a path segment, percent-encoding what may not stand in one.
pub(super) fn push_segment(path: &mut String, segment: &str) {
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => path.push(byte.into()),
            _ => write!(path, "%{byte:02X}").expect("writing to a String cannot fail"),
        }
    }
}

/// Kinds learnt from the server, by (apiVersion, kind).
#[derive(Debug, Default)]
pub(super) struct Discovered(Mutex<BTreeMap<(String, String), Resource>>);

impl Discovered {
    fn get(&self, key: &(String, String)) -> Option<Resource> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: (String, String), resource: &Resource) {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() < MAX_DISCOVERED {
            known.insert(key, resource.clone());
        }
    }
}

impl Client {
    /// Where a kind is served: from the table, from memory, else from the server's discovery.
    pub(super) async fn resource(&self, api_version: &str, kind: &str) -> Result<Resource, ClusterError> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if let Some((_, _, plural, namespaced)) = BUILT_IN.iter().find(|it| it.0 == group && it.1 == kind) {
            let (api_version, plural) = (api_version.to_owned(), (*plural).to_owned());
            return Ok(Resource { api_version, plural, namespaced: *namespaced });
        }
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(known) = self.discovered.get(&key) {
            return Ok(known);
        }
        let unknown = || ClusterError::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() };
        if api_version.is_empty() || kind.is_empty() {
            return Err(unknown());
        }
        let root = if api_version.contains('/') { "/apis/" } else { "/api/" };
        let served = match self.read(&format!("{root}{api_version}")).await {
            Err(ClusterError::NotFound(_)) => return Err(unknown()),
            other => other?,
        };
        let resource = find(&served, api_version, kind).ok_or_else(unknown)?;
        self.discovered.put(key, &resource);
        Ok(resource)
    }
}

/// The kind's main resource in an `APIResourceList`; names with a slash are subresources.
fn find(served: &Value, api_version: &str, kind: &str) -> Option<Resource> {
    let resources = served["resources"].as_array()?;
    let main = resources.iter().find(|it| it["kind"] == kind && !it["name"].as_str().unwrap_or("/").contains('/'))?;
    Some(Resource {
        api_version: api_version.to_owned(),
        plural: main["name"].as_str()?.to_owned(),
        namespaced: main["namespaced"].as_bool().unwrap_or(false),
    })
}
