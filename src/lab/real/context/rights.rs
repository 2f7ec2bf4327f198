//! What one must be allowed to do on somebody's cluster to make a lab there, use it, and remove it.

use super::{Access, Client, ClusterError};
use crate::model::object::ObjectRef;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What making, repairing, finding and removing an object takes.
const VERBS: [&str; 5] = ["get", "list", "create", "patch", "delete"];
/// What using a lab takes besides: verb, group, resource.
const USE: [(&str, &str, &str); 8] = [
    ("list", "", "nodes"),
    ("list", "", "pods"),
    ("get", "", "pods/log"),
    ("create", "", "pods/portforward"),
    ("get", "", "services/proxy"),
    ("list", "", "events"),
    ("create", "coordination.k8s.io", "leases"),
    ("update", "coordination.k8s.io", "leases"),
];
/// Questions that are asked at once.
const AT_ONCE: usize = 8;

/// Whoever may do everything has nothing more to be asked.
pub(super) async fn is_admin(client: &Client) -> Result<bool, ClusterError> {
    client.may(&access("*", "*", "*")).await
}

fn access(verb: &str, group: &str, resource: &str) -> Access {
    Access { verb: verb.to_owned(), group: group.to_owned(), resource: resource.to_owned(), namespace: None }
}

/// What is missing, in Kubernetes' words.
pub(super) async fn lacking(client: &Client, objects: &[Value], manager: &str) -> Result<Vec<String>, ClusterError> {
    let mut needed: BTreeSet<Access> =
        USE.iter().map(|(verb, group, resource)| access(verb, group, resource)).collect();
    for (group, resource) in resources(client, objects).await? {
        needed.extend(VERBS.iter().map(|verb| access(verb, &group, &resource)));
    }
    let ask = |it: Access| async move { Ok::<_, ClusterError>((!client.may(&it).await?).then(|| it.to_string())) };
    let answers: Vec<Option<String>> = stream::iter(needed).map(ask).buffered(AT_ONCE).try_collect().await?;
    let mut lacking: Vec<String> = answers.into_iter().flatten().collect();
    if lacking.is_empty() {
        lacking.extend(escalations(client, objects, manager).await?);
    }
    Ok(lacking)
}

/// Group and plural of every kind; of those whose definition is one of the objects, by that definition.
async fn resources(client: &Client, objects: &[Value]) -> Result<BTreeSet<(String, String)>, ClusterError> {
    let text = |it: &Value, pointer: &str| it.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let definitions = objects.iter().filter(|it| it["kind"] == "CustomResourceDefinition");
    let defined: BTreeMap<(String, String), String> = definitions
        .map(|it| ((text(it, "/spec/group"), text(it, "/spec/names/kind")), text(it, "/spec/names/plural")))
        .collect();
    let mut found = BTreeSet::new();
    for object in objects.iter().map(ObjectRef::of) {
        let group = object.api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        found.insert(match defined.get(&(group.clone(), object.kind.clone())) {
            Some(plural) => (group, plural.clone()),
            None => client.resource_of(&object).await?,
        });
    }
    Ok(found)
}

/// Roles can be given only by who has what is in them, or may escalate: the server is asked to try.
async fn escalations(client: &Client, objects: &[Value], manager: &str) -> Result<Vec<String>, ClusterError> {
    let mut refused = Vec::new();
    for object in
        objects.iter().filter(|it| it["apiVersion"] == "rbac.authorization.k8s.io/v1" && it["kind"] == "ClusterRole")
    {
        match client.try_apply(object, manager).await {
            Err(ClusterError::Refused { code: 403, message }) => refused.push(message),
            other => drop(other?),
        }
    }
    for object in objects.iter().filter(|it| it["kind"] == "ClusterRoleBinding") {
        match client.try_apply(object, manager).await {
            Err(ClusterError::Refused { code: 403, message }) => refused.push(message),
            // Its role is not there yet: whoever may make the role may bind it.
            Err(ClusterError::NotFound(_)) => {}
            other => drop(other?),
        }
    }
    Ok(refused)
}
