//! What one may do on a cluster, what it is, and what a namespace of it holds: questions whose answers change nothing.

use crate::cluster::client::with_query;
use crate::cluster::{Client, ClusterError};
use crate::model::object::ObjectRef;
use serde_json::{Value, json};

/// Something that one may be allowed to do. `*` is every group, resource or verb.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    pub verb: String,
    /// Empty: the core group.
    pub group: String,
    /// A kind's plural, with a subresource after a slash: `pods/log`.
    pub resource: String,
    /// None: all namespaces, or a kind that has none.
    pub namespace: Option<String>,
}

impl std::fmt::Display for Access {
    /// As Kubernetes says it: `create deployments.apps in test`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        self.namespace.as_ref().map_or(Ok(()), |it| write!(f, " in {it}"))
    }
}

impl Client {
    /// Whether whoever this client is may do it: a `SelfSubjectAccessReview`.
    pub async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        let (resource, subresource) = access.resource.split_once('/').unwrap_or((&access.resource, ""));
        let attributes = json!({"verb": access.verb, "group": access.group, "resource": resource,
            "subresource": subresource, "namespace": access.namespace.as_deref().unwrap_or_default()});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes}});
        Ok(self.create(&review).await?["status"]["allowed"] == true)
    }

    /// The server's version as it calls itself: `v1.35.8`.
    pub async fn version(&self) -> Result<String, ClusterError> {
        Ok(self.read("/version").await?["gitVersion"].as_str().unwrap_or("of an unknown version").to_owned())
    }

    /// What the server would say to [`Client::apply`], with its access rules and admission, without doing it.
    pub async fn try_apply(&self, object: &Value, field_manager: &str) -> Result<Value, ClusterError> {
        let pairs = [("fieldManager", field_manager), ("force", "true"), ("dryRun", "All")];
        self.apply_with(object, &pairs).await
    }

    /// Every object of a namespace, of whatever kind the server lists, in the server's order of kinds. Kinds of a group whose
    /// own server does not answer are left out: nothing can be said of them.
    pub async fn contents(&self, namespace: &str) -> Result<Vec<Value>, ClusterError> {
        let mut found = Vec::new();
        for (api_version, kind) in self.namespaced_kinds().await? {
            match self.list(&api_version, &kind, Some(namespace), None).await {
                Ok(objects) => found.extend(objects),
                Err(
                    ClusterError::NotFound(_)
                    | ClusterError::UnknownKind { .. }
                    | ClusterError::Refused { code: 403 | 405 | 503, .. },
                ) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }

    /// Kinds with a namespace that can be listed, in the preferred version of each group.
    async fn namespaced_kinds(&self) -> Result<Vec<(String, String)>, ClusterError> {
        let groups = self.read("/apis").await?;
        let groups = groups["groups"].as_array().cloned().unwrap_or_default();
        let preferred = |it: &Value| it.pointer("/preferredVersion/groupVersion")?.as_str().map(str::to_owned);
        let versions = std::iter::once("v1".to_owned()).chain(groups.iter().filter_map(preferred));
        let mut kinds = Vec::new();
        for version in versions {
            let root = if version.contains('/') { "/apis/" } else { "/api/" };
            let served = match self.read(&format!("{root}{version}")).await {
                Ok(served) => served,
                Err(ClusterError::NotFound(_) | ClusterError::Refused { code: 503, .. }) => continue,
                Err(other) => return Err(other),
            };
            let resources = served["resources"].as_array().cloned().unwrap_or_default();
            let listed = resources.iter().filter(|it| {
                let verbs = it["verbs"].as_array();
                it["namespaced"] == true && verbs.is_some_and(|all| all.iter().any(|verb| verb == "list"))
            });
            kinds.extend(listed.filter_map(|it| Some((version.clone(), it["kind"].as_str()?.to_owned()))));
        }
        Ok(kinds)
    }

    /// A kind's group and plural, as access rules name it.
    pub async fn resource_of(&self, object: &ObjectRef) -> Result<(String, String), ClusterError> {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group);
        let resource = self.resource(&object.api_version, &object.kind).await?;
        Ok((group.to_owned(), resource.plural().to_owned()))
    }

    pub(super) async fn apply_with(&self, object: &Value, pairs: &[(&str, &str)]) -> Result<Value, ClusterError> {
        let path = self.path(&ObjectRef::of(object), None).await?;
        self.write(http::Method::PATCH, &with_query(&path, pairs), super::client::APPLY_PATCH, object).await
    }
}
